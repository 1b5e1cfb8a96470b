import { withCatalog } from '../form/fields.js';

/** @import { Catalog } from '../api/types' */
/** @import { Values } from '../form/fields.js' */

/** The values of a file that the form replaces. Pure. */

const SHOWN_MAX_CHARS = 200;

/** @param {string} text */
const short = (text) => (text.length > SHOWN_MAX_CHARS ? `${text.slice(0, SHOWN_MAX_CHARS)}…` : text);

/**
 * A sentence for each value of a file that the form replaces, with both values. The file's model and address are
 * compared with those that the form will have, as the form may also take another provider.
 * @param {Values} read
 * @param {Catalog} catalog
 */
export function replacedNotes(read, catalog) {
  const fitted = withCatalog(read, catalog);
  const { label } = catalog.providers.find(({ id }) => id === fitted.provider) ?? { label: '' };
  const notes = [];
  if (read.base_url.trim() && !fitted.base_url) {
    notes.push(`Ignored base_url ${short(read.base_url)}: ${label} agents only use ${label}’s API.`);
  }
  if (read.model !== null && read.model !== fitted.model) {
    notes.push(`This server doesn’t offer the file’s model “${short(read.model)}” for ${label} agents. The form uses ${fitted.model} instead.`);
  }
  return notes;
}
