import { useCallback, useRef, useState } from 'react';
import { addFiles, noFiles, readFile } from './files.js';

/** The files given to a test. They are read when they are chosen: what was added is what runs. */
export function useFiles(bounds) {
  const [files, setFiles] = useState(noFiles);
  const [problem, setProblem] = useState(null);
  // Reading takes a while; two choices one upon the other must not lose each other's files.
  const latest = useRef(noFiles);

  const keep = useCallback((next, nextProblem) => {
    latest.current = next;
    setFiles(next);
    setProblem(nextProblem);
  }, []);

  const add = useCallback(
    async (chosen) => {
      if (!bounds || chosen.length === 0) return;
      // More than may be given is not even read.
      const read = (file) => (file.size > bounds.max_bytes ? { name: file.name, size: file.size } : readFile(file));
      const contents = await Promise.all([...chosen].map(read));
      const result = addFiles(latest.current, contents, bounds);
      keep(result.files, result.problem);
    },
    [bounds, keep],
  );

  const remove = useCallback((name) => keep(latest.current.filter((file) => file.name !== name), null), [keep]);

  /** Puts others in their place, and returns those that were there. */
  const swap = useCallback(
    (next) => {
      const before = latest.current;
      keep(next, null);
      return before;
    },
    [keep],
  );

  return { files, problem, bounds, add, remove, swap };
}
