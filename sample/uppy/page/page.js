import AwsS3 from '@uppy/aws-s3';
import Uppy from '@uppy/core';

const uppy = new Uppy({ autoProceed: true, allowMultipleUploadBatches: true });

// Every file in parts: then the app completes an upload by itself, and each can be paused.
uppy.use(AwsS3, {
  companionEndpoint: `${location.origin}/companion`,
  shouldUseMultipart: true,
  getChunkSize: () => 5 * 1024 ** 2,
});

const rows = new Map();

uppy.on('file-added', (file) => {
  const row = document.getElementById('upload').content.firstElementChild.cloneNode(true);
  const [name, , state, pause, cancel] = row.children;
  name.textContent = name.title = file.name;
  state.textContent = '0 %';
  pause.onclick = () => {
    if (uppy.getFile(file.id)?.error) {
      state.textContent = '';
      void uppy.retryUpload(file.id);
      pause.textContent = 'Pause';
      return;
    }
    const isPaused = uppy.pauseResume(file.id);
    pause.textContent = isPaused ? 'Resume' : 'Pause';
    if (isPaused) state.textContent = 'Paused';
  };
  cancel.onclick = () => uppy.removeFile(file.id);
  rows.set(file.id, row);
  document.getElementById('uploads').append(row);
});

uppy.on('upload-progress', (file, { bytesUploaded, bytesTotal }) => {
  const [, bar, state] = rows.get(file.id).children;
  bar.value = (bytesUploaded / (bytesTotal || 1)) * 100;
  state.textContent = `${Math.round(bar.value)} %`;
});

uppy.on('upload-success', (file) => {
  const [, bar, state, pause, cancel] = rows.get(file.id).children;
  bar.value = 100;
  state.textContent = 'Stored';
  pause.remove();
  cancel.remove();
  void list();
});

uppy.on('upload-error', (file, error) => {
  const [, , state, pause] = rows.get(file.id).children;
  state.textContent = error.message;
  pause.textContent = 'Retry';
});

uppy.on('file-removed', (file) => rows.get(file.id)?.remove());

/** In KB below 1 MB, and in bytes below 1 KB. */
function formatSize(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  const kilobytes = bytes / 1024;
  return kilobytes < 1024 ? `${kilobytes.toFixed(1)} KB` : `${(kilobytes / 1024).toFixed(1)} MB`;
}

async function list() {
  const answer = await fetch('/files');
  const items = (await answer.json()).map(({ key, size, metadata }) => {
    const item = document.createElement('li');
    const link = document.createElement('a');
    link.href = `/files/${encodeURIComponent(key)}`;
    link.textContent = metadata.filename ?? key;
    item.append(link, ` – ${formatSize(size)}`);
    return item;
  });
  document.getElementById('files').replaceChildren(...items);
}

const choose = document.getElementById('choose');
choose.onchange = () => {
  uppy.addFiles([...choose.files].map((data) => ({ name: data.name, type: data.type, data })));
  choose.value = '';
};
void list();
