/**
 * What the browser keeps: `tab` for this tab alone, `browser` for all of them. Either may be missing,
 * full or forbidden: then nothing is remembered and nothing breaks.
 */
const AREAS = { tab: 'sessionStorage', browser: 'localStorage' };

export function load(key, area = 'browser') {
  try {
    return JSON.parse(window[AREAS[area]].getItem(key));
  } catch {
    return null;
  }
}

export function save(key, value, area = 'browser') {
  try {
    window[AREAS[area]].setItem(key, JSON.stringify(value));
  } catch {
    // What stood there before is out of date: better nothing than that.
    forget(key, area);
  }
}

export function forget(key, area = 'browser') {
  try {
    window[AREAS[area]].removeItem(key);
  } catch {
    // Then there is nothing to forget either.
  }
}
