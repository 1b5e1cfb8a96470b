import { memo, useLayoutEffect, useRef, useState } from 'react';
import { saveFile } from '../code/clipboard.js';
import { kib } from '../lib/format.js';
import { ArrowDownIcon, InfoIcon } from '../components/icons.jsx';

// How near the end counts as being at the end, in pixels.
const END_MARGIN = 24;

const Block = memo(function Block({ text }) {
  return <span>{text}</span>;
});

const Segment = memo(function Segment({ segment }) {
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

/** Keeps the newest line in view until the reader scrolls up, and again once they are back at the end. */
function useFollow(output) {
  const ref = useRef(null);
  const lastTop = useRef(0);
  const [following, setFollowing] = useState(true);

  useLayoutEffect(() => {
    if (!following) return undefined;
    const view = ref.current;
    const toEnd = () => {
      view.scrollTop = view.scrollHeight;
    };
    toEnd();
    // The view also gets smaller when model calls and the outcome appear below it.
    const observer = new ResizeObserver(toEnd);
    observer.observe(view);
    return () => observer.disconnect();
  }, [following, output]);

  function onScroll(event) {
    const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
    if (scrollHeight - scrollTop - clientHeight < END_MARGIN) setFollowing(true);
    else if (scrollTop < lastTop.current) setFollowing(false);
    lastTop.current = scrollTop;
  }

  function jump() {
    setFollowing(true);
    ref.current.focus({ preventScroll: true }); // the button that had it goes away
  }
  return { ref, following, onScroll, jump };
}

function DroppedNote({ dropped, fullOutput }) {
  return (
    <div className="note" data-tone="quiet">
      <InfoIcon />
      <p>The first {kib(dropped)} are not shown here.</p>
      <button type="button" className="link" onClick={() => saveFile('output.txt', fullOutput())}>
        Save everything
      </button>
    </div>
  );
}

export function OutputView({ output, waiting, fullOutput }) {
  const { ref, following, onScroll, jump } = useFollow(output);
  return (
    <div className="output-frame">
      {output.dropped > 0 && <DroppedNote dropped={output.dropped} fullOutput={fullOutput} />}
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
