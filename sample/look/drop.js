/**
 * Takes files that are dropped anywhere on the page, instead of what browsers do with them: leave the page for the file. While
 * they are dragged over it, the body is `dragging`.
 *
 * @param take is given what was dropped
 */
export function takeDropped(take) {
  const dragging = (on) => document.body.classList.toggle('dragging', on);
  document.addEventListener('dragover', (event) => {
    if (!event.dataTransfer.types.includes('Files')) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    dragging(true);
  });
  document.addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) dragging(false);
  });
  document.addEventListener('drop', (event) => {
    if (!event.dataTransfer.types.includes('Files')) return;
    event.preventDefault();
    dragging(false);
    void take(event.dataTransfer);
  });
}
