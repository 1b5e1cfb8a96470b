import { explainBackend } from './backends.js';

/** @import { Answerer } from '../api/types' */
/** @import * as Backends from './backends.js' */
/** @typedef {{ choices: Backends.BackendChoice[], chosen: Backends.Choice, choose: (id: Backends.Choice) => void, answerer: Answerer | null }} BackendState */

/**
 * Radio buttons drawn as one segmented control. Native ones, because arrow keys, disabled choices
 * and their descriptions then work everywhere without further code.
 * @param {BackendState} props
 */
export function BackendChoice({ choices, chosen, choose, answerer }) {
  return (
    <fieldset className="choice">
      <legend>Run with</legend>
      <div className="choice-track">
        {choices.map(({ id, label, reason }) => (
          <label key={id} className="choice-option" title={reason ?? undefined}>
            <input
              type="radio"
              name="backend"
              value={id}
              checked={chosen === id}
              disabled={Boolean(reason)}
              // The word "Provider" alone already names a field of this form.
              aria-label={`Run with: ${label}${reason ? `. ${reason}` : ''}`}
              aria-describedby="backend-note"
              onChange={() => choose(id)}
            />
            <span>{label}</span>
          </label>
        ))}
      </div>
      <div id="backend-note" className="choice-note">
        <p>{explainBackend(choices, chosen, answerer)}</p>
        {choices[2].reason && !choices[0].reason && chosen !== 'local' && <p>Local model: {choices[2].reason}</p>}
      </div>
    </fieldset>
  );
}
