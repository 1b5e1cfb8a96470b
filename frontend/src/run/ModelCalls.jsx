import { costText, count, seconds, UNKNOWN } from '../lib/format.js';
import { isCancelled } from './runState.js';

/** What is not known is left out: a row of dashes says nothing. */
export function Fact({ name, value }) {
  if (value === UNKNOWN) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

// A call that did not end by itself: the agent, or the gateway above it, was ended.
const CUT_OFF = new Set(['client_disconnected', 'cancelled']);

function outcome(call, run) {
  const error = call['error.type'];
  const status = call['http.response.status_code'];
  if (CUT_OFF.has(error) && isCancelled(run)) return { text: 'stopped', tone: 'quiet' };
  if (error) return { text: status ? `${status} ${error}` : error, tone: 'bad' };
  const reasons = call['gen_ai.response.finish_reasons'];
  const reason = Array.isArray(reasons) && reasons.length > 0 ? ` ${reasons.join(', ')}` : '';
  return { text: `${status ?? '–'}${reason}`, tone: status >= 400 ? 'bad' : 'good' };
}

/** An answer that does not stream has no first token to wait for, only a first byte. */
function FirstToken({ call }) {
  const streamed = typeof call.time_to_first_token === 'number';
  if (streamed) return <Fact name="First token" value={seconds(call.time_to_first_token)} />;
  return <Fact name="First byte" value={seconds(call.time_to_first_chunk)} />;
}

/** Left out where nothing was answered: a call that failed costs nothing worth a word. */
function Cost({ call }) {
  const answered = typeof call['gen_ai.usage.output_tokens'] === 'number';
  return <Fact name="Cost" value={answered ? costText(call.cost_usd, call.backend) : UNKNOWN} />;
}

/** A count worth a place of its own. */
const some = (value) => (value > 0 ? count(value) : UNKNOWN);

/** By which table the costs were worked out: prices change. */
function PriceTable({ calls }) {
  const table = calls.findLast((call) => call.price_table)?.price_table;
  return table ? <p className="price-table">Prices: {table}</p> : null;
}

function ModelCall({ call, number, run }) {
  const { text, tone } = outcome(call, run);
  return (
    <li className="call">
      <p className="call-head">
        <span className="call-number">{number}</span>
        <span className="call-model">
          {call['gen_ai.response.model'] ?? call['gen_ai.request.model'] ?? 'unknown model'}
        </span>
        <span className="call-status" data-tone={tone}>{text}</span>
      </p>
      <dl className="facts">
        <FirstToken call={call} />
        <Fact name="Duration" value={seconds(call.duration)} />
        <Fact name="Tokens in" value={count(call['gen_ai.usage.input_tokens'])} />
        <Fact name="of these cached" value={some(call['gen_ai.usage.cache_read.input_tokens'])} />
        <Fact name="Tokens out" value={count(call['gen_ai.usage.output_tokens'])} />
        <Fact name="of these reasoning" value={some(call['gen_ai.usage.reasoning.output_tokens'])} />
        <Cost call={call} />
      </dl>
    </li>
  );
}

export function ModelCalls({ run }) {
  const { calls } = run;
  if (calls.length === 0) return null;
  return (
    <div className="calls">
      <h3 className="section-title">Model calls</h3>
      <div className="call-list" role="group" aria-label="Model calls" tabIndex={0}>
        <ol>
          {calls.map((call, index) => (
            <ModelCall key={index} call={call} number={index + 1} run={run} />
          ))}
        </ol>
        <PriceTable calls={calls} />
      </div>
    </div>
  );
}
