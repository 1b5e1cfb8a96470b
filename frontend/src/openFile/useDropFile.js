import { useEffect, useState } from 'react';

const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes('Files');

/**
 * Opens a file that is dropped anywhere on the page, except where an element takes it itself. Returns
 * whether one is being dragged over the page. Without this the browser would leave the page for it.
 */
export function useDropFile(onFile) {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const onDragOver = (event) => {
      if (!carriesFiles(event)) return;
      const taken = event.defaultPrevented;
      event.preventDefault();
      setOver(!taken);
    };
    const onDragLeave = (event) => event.relatedTarget === null && setOver(false);
    const onDrop = (event) => {
      setOver(false);
      if (event.defaultPrevented || !carriesFiles(event)) return;
      event.preventDefault();
      onFile(event.dataTransfer.files[0]);
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
