/** localStorage that may be missing, full or forbidden: then nothing is remembered and nothing breaks. */
export function load(key) {
  try {
    return JSON.parse(window.localStorage.getItem(key));
  } catch {
    return null;
  }
}

export function save(key, value) {
  try {
    window.localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // The draft lives on in this tab.
  }
}
