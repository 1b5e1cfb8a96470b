import { costText, count, seconds, UNKNOWN } from '../lib/format.js';
import { isCancelled } from './runState.js';

/** @import * as Api from '../api/types' */
/** @import { Run } from './runState.js' */

/**
 * Left out where the value is not known: a row of dashes says nothing.
 * @param {{ name: string, value: string | number }} props
 */
export function Fact({ name, value }) {
  if (value === UNKNOWN) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

// The call was cut off: the agent, or the gateway above it, was ended.
const CUT_OFF = new Set(['client_disconnected', 'cancelled']);

/**
 * @param {Api.ModelCall} call
 * @param {Run} run
 */
function outcome(call, run) {
  const error = call['error.type'];
  const status = call['http.response.status_code'];
  if (error && CUT_OFF.has(error) && isCancelled(run)) return { text: 'stopped', tone: 'quiet' };
  if (error) return { text: status ? `${status} ${error}` : error, tone: 'bad' };
  const reasons = call['gen_ai.response.finish_reasons'];
  const reason = Array.isArray(reasons) && reasons.length > 0 ? ` ${reasons.join(', ')}` : '';
  return { text: `${status ?? '–'}${reason}`, tone: status && status >= 400 ? 'bad' : 'good' };
}

/**
 * A response that is not streamed has no first token to wait for, only a first byte.
 * @param {{ call: Api.ModelCall }} props
 */
function FirstToken({ call }) {
  const streamed = typeof call.time_to_first_token === 'number';
  if (streamed) return <Fact name="First token" value={seconds(call.time_to_first_token)} />;
  return <Fact name="First byte" value={seconds(call.time_to_first_chunk)} />;
}

/**
 * Left out where there was no response: a failed call costs nothing worth showing.
 * @param {{ call: Api.ModelCall }} props
 */
function Cost({ call }) {
  const answered = typeof call['gen_ai.usage.output_tokens'] === 'number';
  return <Fact name="Cost" value={answered ? costText(call.cost_usd, call.backend) : UNKNOWN} />;
}

/** @param {number | null | undefined} value shown only where it is more than zero */
const some = (value) => (value && value > 0 ? count(value) : UNKNOWN);

/**
 * The price table that the costs were calculated with: prices change.
 * @param {{ calls: Api.ModelCall[] }} props
 */
function PriceTable({ calls }) {
  const table = calls.findLast((call) => call.price_table)?.price_table;
  return table ? <p className="price-table">Prices: {table}</p> : null;
}

/** @param {{ call: Api.ModelCall, number: number, run: Run }} props */
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
        <Fact name="Cached tokens" value={some(call['gen_ai.usage.cache_read.input_tokens'])} />
        <Fact name="Tokens out" value={count(call['gen_ai.usage.output_tokens'])} />
        <Fact name="Reasoning tokens" value={some(call['gen_ai.usage.reasoning.output_tokens'])} />
        <Cost call={call} />
      </dl>
    </li>
  );
}

/** @param {{ run: Run }} props */
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
