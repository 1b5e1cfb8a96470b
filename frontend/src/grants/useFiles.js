import { useCallback, useRef, useState } from 'react';
import { addFiles, noFiles, readFile } from './files.js';

/** @import { FileLimits } from '../api/types' */
/** @import { GivenFile } from './files.js' */

/**
 * The files attached to a test. They are read when they are chosen: a test gets them as they were then.
 * @param {FileLimits | undefined} limits
 */
export function useFiles(limits) {
  const [files, setFiles] = useState(noFiles);
  const [problem, setProblem] = useState(/** @type {string | null} */ (null));
  // Reading takes a while; two choices in quick succession must not lose each other's files.
  const latest = useRef(noFiles);

  const set = useCallback((/** @type {GivenFile[]} */ next, /** @type {string | null} */ nextProblem) => {
    latest.current = next;
    setFiles(next);
    setProblem(nextProblem);
  }, []);

  const add = useCallback(
    async (/** @type {FileList | null} */ chosen) => {
      if (!limits || !chosen || chosen.length === 0) return;
      // A file over the limit is not even read.
      const read = (/** @type {File} */ file) => (file.size > limits.max_bytes ? { name: file.name, size: file.size } : readFile(file));
      const contents = await Promise.all([...chosen].map(read));
      const result = addFiles(latest.current, contents, limits);
      set(result.files, result.problem);
    },
    [limits, set],
  );

  const remove = useCallback((/** @type {string} */ name) => set(latest.current.filter((file) => file.name !== name), null), [set]);

  /** Replaces the files and returns the previous ones. */
  const swap = useCallback(
    (/** @type {GivenFile[]} */ next) => {
      const before = latest.current;
      set(next, null);
      return before;
    },
    [set],
  );

  return { files, problem, limits, add, remove, swap };
}

/** @typedef {ReturnType<typeof useFiles>} Given */
