import { useCallback } from 'react';
import * as api from '../api/client.js';
import { fingerprint } from './fields.js';

/**
 * `moveTo(id)`: from a model that is going to one that stays. A file on the page that is up to date is
 * changed in its one line, and keeps the difference to be shown; otherwise only the form is.
 */
export function useSuccession({ form, builder }) {
  const { values, base, setBase, chooseModel } = form;
  const { file, stale, show, busy, fail } = builder;

  return useCallback(
    async (id) => {
      if (busy) return;
      try {
        const found = file && !stale ? await api.findUpgrades(file.code) : null;
        chooseModel(values.provider, id);
        const upgraded = found?.successors.find((successor) => successor.id === id);
        if (!upgraded) return;
        const { code, diff } = upgraded;
        show({ ...file, code, diff, warnings: [], fingerprint: fingerprint({ ...values, model: id }) });
        if (base !== null) setBase(code);
      } catch (error) {
        fail(error, false);
      }
    },
    [busy, file, stale, values, base, setBase, chooseModel, show, fail],
  );
}
