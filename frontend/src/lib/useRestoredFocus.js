import { useEffect, useRef } from 'react';

/** @param {(HTMLElement | null)[]} elements */
function focusFirst(elements) {
  return elements.some((element) => {
    element?.focus();
    return element && document.activeElement === element;
  });
}

/** @import { RefObject } from 'react' */

/**
 * Remembers which element of `region` has the focus, also after it was removed from the page or disabled.
 * @param {RefObject<HTMLDivElement | null>} region
 */
function useFocused(region) {
  const focused = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    const { current: element } = region;
    if (!element) return undefined;
    const remember = (/** @type {FocusEvent} */ { target }) => {
      focused.current = /** @type {HTMLElement} */ (target);
    };
    // Only later is it known whether the user moved on, or the focused element was removed.
    const forget = (/** @type {FocusEvent} */ { target }) =>
      queueMicrotask(() => {
        const left = focused.current === target && focused.current?.isConnected && !focused.current.matches(':disabled');
        if (left) focused.current = null;
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
 * For a region whose buttons disappear when they are pressed: moves the focus to the first element of
 * `ids` that can take it, instead of the top of the page. Returns the region's ref.
 * @param {...string} ids
 */
export function useRestoredFocus(...ids) {
  const region = useRef(/** @type {HTMLDivElement | null} */ (null));
  const focusedRef = useFocused(region);
  useEffect(() => {
    const lost = focusedRef.current;
    if (!lost || document.activeElement === lost) return;
    const movedOn = document.activeElement !== document.body;
    if (movedOn || focusFirst([lost, ...ids.map((id) => document.getElementById(id))])) focusedRef.current = null;
  });
  return region;
}
