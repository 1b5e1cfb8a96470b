import { useEffect, useState } from 'react';

const carriesFiles = (/** @type {DragEvent} */ event) => [...(event.dataTransfer?.types ?? [])].includes('Files');

/**
 * Opens a file that is dropped anywhere on the page, except where an element handles the drop itself. Returns
 * whether a file is being dragged over the page. Without this the browser would navigate to the file.
 * @param {(file: File | undefined) => void} onFile
 */
export function useDropFile(onFile) {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const onDragOver = (/** @type {DragEvent} */ event) => {
      if (!carriesFiles(event)) return;
      const handled = event.defaultPrevented;
      event.preventDefault();
      setOver(!handled);
    };
    const onDragLeave = (/** @type {DragEvent} */ event) => event.relatedTarget === null && setOver(false);
    const onDrop = (/** @type {DragEvent} */ event) => {
      setOver(false);
      if (event.defaultPrevented || !carriesFiles(event)) return;
      event.preventDefault();
      onFile(event.dataTransfer?.files[0]);
    };
    window.addEventListener('dragover', onDragOver);
    window.addEventListener('dragleave', onDragLeave);
    window.addEventListener('drop', onDrop);
    return () => {
      window.removeEventListener('dragover', onDragOver);
      window.removeEventListener('dragleave', onDragLeave);
      window.removeEventListener('drop', onDrop);
    };
  }, [onFile]);
  return over;
}
