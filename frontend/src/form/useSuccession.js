import { useCallback } from 'react';
import * as api from '../api/client.js';
import { fingerprint } from './fields.js';

/** @import { Form } from './useAgentForm.js' */
/** @import { Builder } from './useBuilder.js' */

/**
 * Returns `moveTo(id)`: replaces a deprecated model. In a file on the page that is up to date it changes only the
 * model's line and shows the difference; otherwise it changes the form alone.
 * @param {{ form: Form, builder: Builder }} page
 */
export function useSuccession({ form, builder }) {
  const { values, base, setBase, chooseModel } = form;
  const { file, stale, show, busy, fail } = builder;

  return useCallback(
    async (/** @type {string} */ id) => {
      if (busy || !values.provider) return;
      try {
        const found = file && !stale ? await api.findUpgrades(file.code) : null;
        chooseModel(values.provider, id);
        const upgraded = found?.successors.find((successor) => successor.id === id);
        if (!file || !upgraded) return;
        const { code, diff } = upgraded;
        show({ ...file, code, diff, warnings: [], fingerprint: fingerprint({ ...values, model: id }) });
        if (base !== null) setBase(code);
      } catch (error) {
        fail(api.asApiError(error), false);
      }
    },
    [busy, file, stale, values, base, setBase, chooseModel, show, fail],
  );
}
