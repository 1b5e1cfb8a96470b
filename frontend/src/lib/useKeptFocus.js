import { useEffect, useRef } from 'react';

function focusFirst(elements) {
  return elements.some((element) => {
    element?.focus();
    return element && document.activeElement === element;
  });
}

/** Remembers which element of `region` has the focus, also once it has been taken off the page or switched off. */
function useFocused(region) {
  const focused = useRef(null);
  useEffect(() => {
    const { current: element } = region;
    const remember = ({ target }) => {
      focused.current = target;
    };
    // Only later is it known whether the reader moved on, or the element went away with the focus.
    const forget = ({ target }) =>
      queueMicrotask(() => {
        if (focused.current === target && target.isConnected && !target.disabled) focused.current = null;
      });
    element.addEventListener('focusin', remember);
    element.addEventListener('focusout', forget);
    return () => {
      element.removeEventListener('focusin', remember);
      element.removeEventListener('focusout', forget);
    };
  }, [region]);
  return focused;
}

/**
 * For a region whose buttons go away when they are pressed: the focus then goes to the first element
 * of `ids` that takes it, and not to the top of the page. Returns the region's ref.
 */
export function useKeptFocus(...ids) {
  const region = useRef(null);
  const focusedRef = useFocused(region);
  useEffect(() => {
    const lost = focusedRef.current;
    if (!lost || document.activeElement === lost) return;
    const movedOn = document.activeElement !== document.body;
    if (movedOn || focusFirst([lost, ...ids.map((id) => document.getElementById(id))])) focusedRef.current = null;
  });
  return region;
}
