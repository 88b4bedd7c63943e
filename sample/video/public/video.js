import { takeDropped } from './drop.js';

const $ = (id) => document.getElementById(id);

/** The key of the video in the player. */
let shown;

async function request(path, options) {
  const response = await fetch(path, options).catch(() => {
    throw new Error(navigator.onLine ? 'The server does not answer' : 'No connection');
  });
  if (response.status === 204) return undefined;
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message);
  return answer;
}

/** Runs what a button asks for, and shows what went wrong. */
async function attempt(work) {
  $('problem').textContent = '';
  await work().catch((error) => ($('problem').textContent = error.message));
}

function pathOf(key) {
  return `videos/${encodeURIComponent(key)}`;
}

/** In KB below 1 MB, and in bytes below 1 KB. */
function formatSize(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  const kilobytes = bytes / 1024;
  return kilobytes < 1024 ? `${kilobytes.toFixed(1)} KB` : `${(kilobytes / 1024).toFixed(1)} MB`;
}

async function list() {
  const videos = await request('videos');
  $('videos').replaceChildren(...videos.map(row));
  $('notice').hidden = videos.length > 0;
}

function row({ key, size, lastModified, metadata }) {
  const item = $('row').content.firstElementChild.cloneNode(true);
  const [open, remove] = item.children;
  const name = metadata.filename ?? key;
  const date = new Date(lastModified).toLocaleDateString(undefined, { dateStyle: 'medium' });
  open.firstElementChild.textContent = name;
  open.lastElementChild.textContent = `${formatSize(size)}, ${date}`;
  if (key === shown) open.ariaCurrent = 'true';
  open.onclick = () => play(key, name, open);
  remove.ariaLabel = `Delete ${name}`;
  remove.onclick = () => attempt(() => removeVideo(key));
  return item;
}

function play(key, name, open) {
  shown = key;
  for (const other of $('videos').querySelectorAll('[aria-current]')) other.ariaCurrent = null;
  open.ariaCurrent = 'true';
  $('player-name').textContent = name;
  $('video').src = pathOf(key);
  $('link').replaceChildren();
  $('player').hidden = false;
}

async function removeVideo(key) {
  await request(pathOf(key), { method: 'DELETE' });
  if (key === shown) {
    $('video').removeAttribute('src');
    $('player').hidden = true;
  }
  await list();
}

function makeLink() {
  return attempt(async () => {
    const { url, expiresAt } = await request(`${pathOf(shown)}/links`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ lifetime: $('lifetime').value }),
    });
    const link = document.createElement('a');
    link.href = link.textContent = url;
    $('link').replaceChildren(link, ` works until ${new Date(expiresAt).toLocaleString()}.`);
  });
}

/** Not by fetch(), which tells no progress of a body. */
function send(file) {
  const body = new FormData();
  body.append('video', file);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.upload.onprogress = ({ loaded, total }) =>
      ($('upload-progress').value = (loaded / total) * 100);
    request.onload = () =>
      request.status === 201
        ? resolve()
        : reject(new Error(request.response?.message ?? `Refused with ${request.status}`));
    request.onerror = () =>
      reject(new Error(navigator.onLine ? 'The connection to the server broke' : 'No connection'));
    request.open('POST', 'videos');
    request.responseType = 'json';
    request.send(body);
  });
}

async function upload(file) {
  $('upload-name').textContent = file.name;
  $('upload-progress').value = 0;
  $('upload').hidden = false;
  $('choose').disabled = true;
  try {
    await send(file);
    await list();
  } finally {
    $('upload').hidden = true;
    $('choose').disabled = false;
  }
}

$('choose').onclick = () => $('picker').click();
$('picker').onchange = () => {
  const [file] = $('picker').files;
  $('picker').value = '';
  void attempt(() => upload(file));
};
takeDropped(({ files }) =>
  attempt(async () => {
    if ($('choose').disabled) throw new Error('One video at a time: this one is still on its way');
    if (files.length > 1) throw new Error('One video at a time: drop a single file');
    await upload(files[0]);
  }),
);
$('link-form').onsubmit = (event) => {
  event.preventDefault();
  void makeLink();
};
await attempt(list);
