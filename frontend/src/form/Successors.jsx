import { shortFacts } from '../lib/format.js';

/** @import { Model } from '../api/types' */

// Best first, as the server lists them; a longer list would be hard to choose from.
const SHOWN = 3;

/**
 * Models that replace a deprecated one, with their prices and a button to change to each.
 * @param {{ model: Model, models: readonly Model[], onMove: (id: string) => void }} props
 */
export function Successors({ model, models, onMove }) {
  const found = model.successors.flatMap((id) => models.find((other) => other.id === id) ?? []).slice(0, SHOWN);
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
