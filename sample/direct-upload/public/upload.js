import { takeDropped } from './drop.js';

const ROUTE = '/direct-uploads';

/** What the app answers; a refusal is an error with its message. */
async function ask(method, path, body) {
  const answer = await fetch(path, {
    method,
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  }).catch(() => {
    throw new Error(navigator.onLine ? 'The server does not answer' : 'No connection');
  });
  if (answer.status === 204) return undefined;
  const told = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(told.message), { code: told.code });
  return told;
}

/** Sends the bytes exactly as the app said: fetch() tells no progress of a body. */
function send({ url, headers }, body, { signal, onProgress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    request.open('PUT', url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => onProgress(loaded);
    request.onload = () =>
      request.status < 300 ? resolve() : reject(new Error(`Refused with ${request.status}`));
    request.onerror = () =>
      reject(new Error(navigator.onLine ? 'The connection was lost' : 'No connection'));
    request.onabort = () => reject(signal.reason);
    request.onloadend = () => signal.removeEventListener('abort', stop);
    signal.addEventListener('abort', stop);
    request.send(body);
  });
}

/** A file on its way. What was begun is gone on with by its id, also after a pause. */
class Upload {
  #begun;
  #stop;

  constructor(file, onProgress) {
    this.file = file;
    this.onProgress = onProgress;
  }

  /** Sends what is not there yet, and completes the upload. Rejects when it is paused. */
  async run() {
    this.#stop = new AbortController();
    const { file } = this;
    this.#begun ??= await ask('POST', ROUTE, {
      filename: file.name,
      size: file.size,
      contentType: file.type,
    });
    const { id, url } = this.#begun;
    if (url) await this.#sendWhole();
    else await this.#sendParts();
    return ask('POST', `${ROUTE}/${id}/complete`);
  }

  pause() {
    this.#stop?.abort(new DOMException('Paused', 'AbortError'));
  }

  async cancel() {
    this.pause();
    if (this.#begun) await ask('DELETE', `${ROUTE}/${this.#begun.id}`);
  }

  async #sendWhole() {
    const { state } = await ask('GET', `${ROUTE}/${this.#begun.id}`);
    if (state === 'waiting') await this.#send(this.#begun, this.file, 0);
  }

  async #sendParts() {
    const { id, partSize, partCount } = this.#begun;
    const { state, parts = [] } = await ask('GET', `${ROUTE}/${id}`);
    if (state !== 'waiting') return;
    const there = new Set(parts.map(({ partNumber }) => partNumber));
    let sent = parts.reduce((sum, { size }) => sum + size, 0);
    for (let partNumber = 1; partNumber <= partCount; partNumber++) {
      if (there.has(partNumber)) continue;
      const signed = await ask('POST', `${ROUTE}/${id}/parts`, { partNumbers: [partNumber] });
      const start = (partNumber - 1) * partSize;
      const part = this.file.slice(start, start + partSize);
      await this.#send(signed.parts[0], part, sent);
      sent += part.size;
    }
  }

  async #send(signed, body, before) {
    const { signal } = this.#stop;
    signal.throwIfAborted();
    await send(signed, body, {
      signal,
      onProgress: (loaded) => this.onProgress((before + loaded) / (this.file.size || 1)),
    });
  }
}

function show(file) {
  const row = document.getElementById('upload').content.firstElementChild.cloneNode(true);
  const [name, bar, state, pause, cancel] = row.children;
  name.textContent = name.title = file.name;
  const upload = new Upload(file, (share) => {
    bar.value = share * 100;
    state.textContent = `${Math.round(share * 100)} %`;
  });
  const run = async () => {
    pause.textContent = 'Pause';
    try {
      await upload.run();
      bar.value = 100;
      state.textContent = 'Stored';
      pause.remove();
      cancel.remove();
      await list();
    } catch (error) {
      state.textContent = error.name === 'AbortError' ? 'Paused' : error.message;
      pause.textContent = 'Resume';
    }
  };
  pause.onclick = () => (pause.textContent === 'Pause' ? upload.pause() : run());
  cancel.onclick = async () => {
    await upload.cancel();
    row.remove();
  };
  document.getElementById('uploads').append(row);
  return run();
}

/** In KB below 1 MB, and in bytes below 1 KB. */
function formatSize(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  const kilobytes = bytes / 1024;
  return kilobytes < 1024 ? `${kilobytes.toFixed(1)} KB` : `${(kilobytes / 1024).toFixed(1)} MB`;
}

async function list() {
  const rows = (await ask('GET', '/files')).map(({ key, size, metadata }) => {
    const row = document.createElement('li');
    const link = document.createElement('a');
    link.href = `/files/${encodeURIComponent(key)}`;
    link.textContent = metadata.filename ?? key;
    row.append(link, ` – ${formatSize(size)}`);
    return row;
  });
  document.getElementById('files').replaceChildren(...rows);
}

const choose = document.getElementById('choose');
choose.onchange = () => {
  for (const file of choose.files) void show(file);
  choose.value = '';
};
takeDropped(({ files }) => {
  for (const file of files) void show(file);
});
await list();
