/**
 * Scrolls a panel into view on a small screen, where the panels lie below the form; on a wide one
 * they are in view already.
 */
export function reveal(element) {
  if (!window.matchMedia('(max-width: 1079px)').matches) return;
  const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
  // After the panel has its new content: the scroll would otherwise end too early.
  requestAnimationFrame(() => element?.scrollIntoView({ block: 'start', behavior: calm ? 'auto' : 'smooth' }));
}
