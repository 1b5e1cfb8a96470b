import { shortFacts } from '../lib/format.js';

// Nearest first, as the server has them; more would be a list to read and not a help.
const SHOWN = 3;

/** Models to move to from one that is going, with what they cost, and one press to do it. */
export function Successors({ model, models, onMove }) {
  const found = (model.successors ?? []).map((id) => models.find((other) => other.id === id)).filter(Boolean).slice(0, SHOWN);
  if (found.length === 0) return null;
  return (
    <ul className="successors" aria-label={`Successors of ${model.label}`}>
      {found.map((successor) => (
        <li key={successor.id} className="successor">
          <span className="successor-text">
            <span className="successor-name">{successor.label}</span>
            <span className="successor-facts">{shortFacts(successor)}</span>
          </span>
          <button type="button" className="small-button" aria-label={`Change to ${successor.label}`} onClick={() => onMove(successor.id)}>
            Change
          </button>
        </li>
      ))}
    </ul>
  );
}
