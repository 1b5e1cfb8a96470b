/**
 * The browser's storage: `tab` for this tab alone, `browser` for all of them. Either may be missing,
 * full or forbidden: then nothing is stored and nothing breaks.
 */
const AREAS = /** @type {const} */ ({ tab: 'sessionStorage', browser: 'localStorage' });
/** @typedef {keyof typeof AREAS} Area */

/**
 * Returns the stored value, of whatever shape it is, or null.
 * @param {string} key
 * @param {Area} area
 * @returns {any}
 */
export function load(key, area = 'browser') {
  try {
    return JSON.parse(window[AREAS[area]].getItem(key) ?? 'null');
  } catch {
    return null;
  }
}

/**
 * @param {string} key
 * @param {unknown} value
 * @param {Area} area
 */
export function save(key, value, area = 'browser') {
  try {
    window[AREAS[area]].setItem(key, JSON.stringify(value));
  } catch {
    // The previous value is out of date: better none than that.
    forget(key, area);
  }
}

/**
 * @param {string} key
 * @param {Area} area
 */
export function forget(key, area = 'browser') {
  try {
    window[AREAS[area]].removeItem(key);
  } catch {
    // Then there is nothing to remove either.
  }
}
