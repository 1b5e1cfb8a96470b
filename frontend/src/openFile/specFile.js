import { fromSpec, starter, withoutKnownAddress } from '../form/fields.js';
import { sentence } from '../lib/format.js';

/** @import { Catalog, SpecFileResponse } from '../api/types' */

/** Spec files, as the server reads them. Pure. */

/**
 * The form that a spec describes. A field that it leaves out is empty: none of another agent stays.
 * @param {SpecFileResponse['spec']} spec
 * @param {Catalog} catalog
 */
export function specValues(spec, catalog) {
  return withoutKnownAddress(fromSpec(spec, catalog.defaults, { ...starter, name: '', prompt: '', task: '' }), catalog);
}

/**
 * A sentence for each field that the form can't show, with the server's reason. A reason inside a field starts with
 * its path, such as "mcp_servers.0.name: missing".
 * @param {SpecFileResponse['ignored']} ignored
 */
export function ignoredNotes(ignored) {
  return ignored.map(({ field, problem }) => {
    const inside = problem.startsWith(`${field}.`);
    const why = inside ? ` because of its part ${problem.slice(field.length + 1)}` : `: ${problem}`;
    return sentence(`Ignored ${field}${why}`);
  });
}
