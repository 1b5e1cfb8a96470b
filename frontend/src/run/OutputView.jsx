import { memo, useLayoutEffect, useRef, useState } from 'react';
import { saveFile } from '../code/clipboard.js';
import { kib } from '../lib/format.js';
import { ArrowDownIcon, InfoIcon } from '../components/icons.jsx';
import { MAX_CHARS } from './output.js';

/** @import { UIEvent } from 'react' */
/** @import * as State from './output.js' */

// How near the end counts as being at the end, in pixels.
const END_MARGIN = 24;

const Block = memo(function Block(/** @type {{ text: string }} */ { text }) {
  return <span>{text}</span>;
});

const Segment = memo(function Segment(/** @type {{ segment: State.Segment }} */ { segment }) {
  const { stream, firstBlock, blocks } = segment;
  return (
    <div className="segment" data-stream={stream}>
      {stream === 'stderr' && <span className="segment-label">stderr</span>}
      <pre data-testid={stream}>
        {blocks.map((text, index) => (
          <Block key={firstBlock + index} text={text} />
        ))}
      </pre>
    </div>
  );
});

/**
 * Scrolls to the newest line until the user scrolls up, and again once they are back at the end.
 * @param {State.Output} output
 */
function useFollow(output) {
  const ref = useRef(/** @type {HTMLDivElement | null} */ (null));
  const lastTop = useRef(0);
  const [following, setFollowing] = useState(true);

  useLayoutEffect(() => {
    if (!following) return undefined;
    const view = ref.current;
    if (!view) return undefined;
    const toEnd = () => {
      view.scrollTop = view.scrollHeight;
    };
    toEnd();
    // The view also shrinks when model calls and the outcome appear below it.
    const observer = new ResizeObserver(toEnd);
    observer.observe(view);
    return () => observer.disconnect();
  }, [following, output]);

  /** @param {UIEvent<HTMLDivElement>} event */
  function onScroll(event) {
    const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
    if (scrollHeight - scrollTop - clientHeight < END_MARGIN) setFollowing(true);
    else if (scrollTop < lastTop.current) setFollowing(false);
    lastTop.current = scrollTop;
  }

  function jump() {
    setFollowing(true);
    ref.current?.focus({ preventScroll: true }); // the focused button disappears
  }
  return { ref, following, onScroll, jump };
}

/** @param {{ fullOutput: () => string }} props */
function DroppedNote({ fullOutput }) {
  return (
    <div className="note" data-tone="quiet">
      <InfoIcon />
      <p>Showing the last {kib(MAX_CHARS)}.</p>
      <button type="button" className="link" onClick={() => saveFile('output.txt', fullOutput())}>
        Save all output
      </button>
    </div>
  );
}

/** @param {{ output: State.Output, waiting: boolean, fullOutput: () => string }} props */
export function OutputView({ output, waiting, fullOutput }) {
  const { ref, following, onScroll, jump } = useFollow(output);
  return (
    <div className="output-frame">
      {output.dropped > 0 && <DroppedNote fullOutput={fullOutput} />}
      <div className="output" ref={ref} role="group" aria-label="Output" tabIndex={0} onScroll={onScroll}>
        {output.segments.map((segment) => (
          <Segment key={segment.id} segment={segment} />
        ))}
        {output.segments.length === 0 && (
          <p className="output-none">{waiting ? 'Waiting for the first output…' : 'The agent printed nothing.'}</p>
        )}
      </div>
      {!following && (
        <button type="button" className="jump" onClick={jump}>
          <ArrowDownIcon />
          Latest
        </button>
      )}
    </div>
  );
}
