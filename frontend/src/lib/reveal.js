/**
 * Scrolls a panel into view in a small window, where not all panels fit; in a large one they are in
 * view already.
 * @param {HTMLElement | null} element
 */
export function reveal(element) {
  if (!window.matchMedia('(max-width: 1079px), (max-height: 659px)').matches) return;
  const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
  // After the panel has its new content: the scroll would otherwise end too early.
  requestAnimationFrame(() => element?.scrollIntoView({ block: 'start', behavior: calm ? 'auto' : 'smooth' }));
}
