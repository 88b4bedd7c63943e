import { takeDropped } from './drop.js';

// What the server takes: set when it has told.
let limits = { maxSize: Infinity, imagesOnly: true, accepts: () => true };
/** Newest first. */
let photos = [];
/** What the viewer shows, and its neighbours. */
let viewed;
const tiles = new Map();

const $ = (id) => document.getElementById(id);

// Words

/** `52428800` → `50 MB`, in steps of 1024. */
function formatSize(bytes) {
  const units = ['bytes', 'KB', 'MB', 'GB'];
  while (bytes >= 1000 && units.length > 1) {
    bytes /= 1024;
    units.shift();
  }
  return `${Number(bytes.toPrecision(3))} ${units[0]}`;
}

function formatDate(date) {
  return new Date(date).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

/** Has a screen reader say the sentence when it has finished what it is saying. */
function announce(sentence) {
  const line = document.createElement('p');
  line.textContent = sentence;
  $('live').append(line);
}

/** For controls that show an icon only. */
function label(control, text) {
  control.ariaLabel = control.title = text;
}

function fromTemplate(id) {
  return $(id).content.firstElementChild.cloneNode(true);
}

// Uploads: one request for each file, a few at a time

const AT_ONCE = 3;
const SPEED_WINDOW = 3000;
const uploads = new Set();

function upload(files) {
  for (const file of files) new Upload(file).enqueue();
}

function uploadsWith(...states) {
  return [...uploads].filter((each) => states.includes(each.state));
}

function uploadsChanged() {
  const waiting = uploadsWith('waiting');
  const sending = uploadsWith('sending');
  const stored = uploadsWith('stored');
  $('uploads').hidden = uploads.size === 0;
  $('clear').hidden = stored.length === 0;
  const running = waiting.length + sending.length > 0 ? 'Uploading, ' : '';
  $('uploads-title').textContent = `${running}${stored.length} of ${uploads.size} stored`;
  if (sending.length < AT_ONCE) waiting[0]?.send();
}

class Upload {
  #file;
  #row = fromTemplate('upload-row');
  #bar = this.#row.querySelector('progress');
  #buttons = [...this.#row.querySelectorAll('button')];
  #request = new XMLHttpRequest();

  constructor(file) {
    const [cancel, retry, dismiss] = this.#buttons;
    this.#file = file;
    this.#row.querySelector('.upload-name').textContent = file.name;
    this.#bar.ariaLabel = `Upload of ${file.name}`;
    label(cancel, `Cancel the upload of ${file.name}`);
    label(retry, `Try ${file.name} again`);
    label(dismiss, `Dismiss ${file.name}`);
    cancel.onclick = () => this.#cancel();
    retry.onclick = () => this.enqueue();
    dismiss.onclick = () => this.dismiss();
    $('upload-list').append(this.#row);
    uploads.add(this);
  }

  enqueue() {
    const { size, type } = this.#file;
    if (size > limits.maxSize) return this.#fail(413);
    if (!limits.accepts(type)) return this.#fail(415);
    this.#bar.value = 0;
    this.#show('waiting', `Waiting, ${formatSize(size)}`);
  }

  send() {
    const request = this.#request;
    const body = new FormData();
    body.append('photo', this.#file);
    const samples = [{ time: performance.now(), loaded: 0 }];
    request.upload.onprogress = ({ loaded, total }) => {
      const time = performance.now();
      samples.push({ time, loaded });
      while (samples.length > 2 && time - samples[0].time > SPEED_WINDOW) samples.shift();
      const speed = ((loaded - samples[0].loaded) / (time - samples[0].time)) * 1000;
      this.#progress(Math.floor((loaded / total) * 100), speed);
    };
    request.onload = () => {
      if (request.status !== 201 || !request.response) return this.#fail(request.status);
      this.#bar.value = 100;
      this.#show('stored', `Stored, ${formatSize(this.#file.size)}`);
      add([request.response].flat()[0]);
      announce(`${this.#file.name} is stored`);
    };
    request.onerror = () => this.#fail(0);
    request.open('POST', 'photos');
    request.responseType = 'json';
    request.send(body);
    this.#show('sending', 'Starting');
    void this.#preview();
  }

  dismiss() {
    const near = this.#row.nextElementSibling ?? this.#row.previousElementSibling;
    const focused = this.#row.contains(document.activeElement);
    uploads.delete(this);
    this.#row.remove();
    if (focused) (near?.querySelector('button:not([hidden])') ?? $('choose')).focus();
    uploadsChanged();
  }

  #progress(percent, speed) {
    this.#bar.value = percent;
    const size = formatSize(this.#file.size);
    const pace = Number.isFinite(speed) ? `, ${formatSize(speed)}/s` : '';
    this.#show('sending', percent < 100 ? `${percent}% of ${size}${pace}` : '100%, storing');
  }

  #cancel() {
    this.#request.abort();
    this.#show('cancelled', 'Cancelled');
    announce(`${this.#file.name} is cancelled`);
    // The server may have stored the last byte before it heard of the change of mind.
    if (this.#bar.value === 100) void load();
  }

  #fail(status) {
    const problem = describe(status);
    this.#show('failed', formatSize(this.#file.size), problem, status !== 413 && status !== 415);
    announce(`${this.#file.name}${problem}`);
  }

  #show(state, status, problem = '', canRetry = state === 'cancelled') {
    const focused = this.#buttons.includes(document.activeElement);
    const running = state === 'waiting' || state === 'sending';
    const [cancel, retry, dismiss] = this.#buttons;
    this.state = this.#row.dataset.state = state;
    this.#row.querySelector('.upload-status').textContent = status;
    this.#row.querySelector('.problem').textContent = problem;
    cancel.hidden = this.#bar.hidden = !running;
    retry.hidden = !canRetry;
    dismiss.hidden = running;
    // The button that was pressed may be gone: the focus goes to the one in its place.
    if (focused) this.#buttons.find((button) => !button.hidden).focus();
    uploadsChanged();
  }

  /** A small picture of what is on its way. What the browser cannot decode keeps the icon. */
  async #preview() {
    const bitmap = await createImageBitmap(this.#file, { resizeHeight: 96 }).catch(() => null);
    if (!bitmap) return;
    const canvas = document.createElement('canvas');
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext('2d').drawImage(bitmap, 0, 0);
    this.#row.querySelector('.upload-preview').replaceChildren(canvas);
  }
}

/** Goes on after the name of the file. */
function describe(status) {
  if (status === 413) {
    const { maxSize } = limits;
    return ` is too large${maxSize < Infinity ? `: the limit is ${formatSize(maxSize)}` : ''}`;
  }
  if (status === 415) return limits.imagesOnly ? ' is not an image' : ' is of a refused type';
  if (status === 507) return ' was not stored: the server has no space left';
  if (status > 0) return ` was not stored: the server had a problem (${status})`;
  if (!navigator.onLine) return ' was not sent: you are offline';
  return ' was not stored: the connection to the server broke';
}

// The gallery

async function load() {
  $('summary').textContent = 'Loading…';
  try {
    const [taken, files] = await Promise.all([json('limits'), json('photos')]);
    setLimits(taken);
    photos = files.map(described);
    tiles.clear();
    $('grid').replaceChildren(...photos.map(tile));
    summarize();
  } catch (error) {
    $('summary').textContent = '';
    notice(`The gallery could not be loaded: ${error.message}`, true);
  }
}

async function json(url) {
  const response = await request(url);
  return response.json();
}

async function request(url, options) {
  const response = await fetch(url, options).catch(() => {
    throw new Error(navigator.onLine ? 'the server does not answer' : 'you are offline');
  });
  if (response.ok) return response;
  throw new Error(`the server had a problem (${response.status})`, { cause: response });
}

function setLimits({ maxSize, accept }) {
  const matches = (type, pattern) =>
    pattern === '*/*' ||
    pattern === type ||
    (pattern.endsWith('/*') && type.startsWith(pattern.slice(0, -1)));
  const imagesOnly = accept.every((pattern) => pattern.startsWith('image/'));
  // A file whose type the browser does not know is the server's to judge.
  const accepts = (type) => !type || accept.some((pattern) => matches(type, pattern));
  limits = { maxSize, imagesOnly, accepts };
  $('picker').accept = accept;
  $('hint').textContent =
    `Drop ${noun()}s of up to ${formatSize(maxSize)} anywhere, paste them, or choose some.`;
  for (const element of document.querySelectorAll('[data-noun]')) {
    element.textContent = element.dataset.noun.replace('%s', `${noun()}s`);
  }
}

function noun() {
  return limits.imagesOnly ? 'photo' : 'file';
}

function summarize() {
  const { length } = photos;
  const size = formatSize(photos.reduce((sum, photo) => sum + photo.size, 0));
  $('summary').textContent = length ? `${length} ${noun()}${length > 1 ? 's' : ''}, ${size}` : '';
  notice(length ? '' : `No ${noun()}s yet`, false);
}

function notice(title, canReload) {
  $('notice').hidden = !title;
  $('notice-title').textContent = title;
  $('reload').hidden = !canReload;
}

function described(file) {
  const { filename } = file.metadata;
  return {
    ...file,
    url: `photos/${encodeURIComponent(file.key)}`,
    name: filename ?? `${noun()} of ${formatDate(file.lastModified)}`,
    isNamed: Boolean(filename),
    isImage: file.contentType.startsWith('image/'),
  };
}

/** A listing has no names. The headers of the file have. */
async function learnName(photo) {
  if (photo.isNamed) return;
  photo.isNamed = true;
  const { headers } = await request(photo.url, { method: 'HEAD' });
  const disposition = headers.get('Content-Disposition');
  const encoded = /filename\*=UTF-8''([^;]+)/.exec(disposition);
  photo.name = encoded ? decodeURIComponent(encoded[1]) : /filename="(.*?)"/.exec(disposition)[1];
  name(photo);
}

const appearing = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    const photo = isIntersecting && photos.find(({ key }) => tiles.get(key) === target);
    if (photo) learnName(photo).catch(() => {});
  }
});

/** Writes the photo's name wherever it stands. */
function name(photo) {
  const item = tiles.get(photo.key);
  const [download, remove] = item.querySelectorAll('.icon-button');
  const image = item.querySelector('img');
  if (image) image.alt = image.title = photo.name;
  else item.querySelector('.file-name').textContent = photo.name;
  label(download, `Download ${photo.name}`);
  label(remove, `Delete ${photo.name}`);
  if (viewed?.photo !== photo) return;
  $('viewer-stage').firstChild.alt = $('viewer-name').textContent = photo.name;
  label($('viewer-download'), `Download ${photo.name}`);
  label($('viewer-delete'), `Delete ${photo.name}`);
}

function add(file) {
  if (tiles.has(file.key)) return;
  const photo = described(file);
  photos.unshift(photo);
  $('grid').prepend(tile(photo));
  summarize();
}

function tile(photo) {
  const item = fromTemplate('photo-tile');
  const open = item.querySelector('.tile-open');
  const image = open.querySelector('img');
  const [download, remove] = item.querySelectorAll('.icon-button');
  tiles.set(photo.key, item);
  download.href = `${photo.url}?download`;
  remove.onclick = () => confirmDelete(photo);
  open.onclick = () => view(photo);
  // An image that this browser cannot show is still a file that one can have.
  image.onerror = () => {
    photo.isImage = false;
    open.replaceWith(card(photo));
    name(photo);
  };
  if (photo.isImage) {
    image.src = photo.url;
    name(photo);
  } else image.onerror();
  appearing.observe(item);
  return item;
}

function card({ key, size, url }) {
  const link = fromTemplate('file-card');
  const [, type, , bytes] = link.children;
  link.href = `${url}?download`;
  type.textContent = key.includes('.') ? key.split('.').at(-1) : 'file';
  bytes.textContent = formatSize(size);
  return link;
}

/** Puts the focus on the photo, or on the button that adds some. */
function focus(item) {
  (item?.querySelector('button, a') ?? $('choose')).focus();
}

/** Asks, and stays open with the reason when it fails. Answers whether the photo is gone. */
function confirmDelete(photo) {
  const dialog = $('confirm');
  let gone = false;
  $('confirm-title').textContent = `Delete ${photo.name}?`;
  $('confirm-problem').textContent = '';
  $('confirm-no').onclick = () => dialog.close();
  $('confirm-yes').onclick = async () => {
    try {
      await request(photo.url, { method: 'DELETE' });
      gone = true;
      dialog.close();
    } catch (error) {
      $('confirm-problem').textContent = `It could not be deleted: ${error.message}.`;
    }
  };
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => {
      if (gone) forget(photo);
      resolve(gone);
    };
  });
}

function forget(photo) {
  const item = tiles.get(photo.key);
  const near = item.nextElementSibling ?? item.previousElementSibling;
  photos = photos.filter((other) => other !== photo);
  tiles.delete(photo.key);
  item.remove();
  summarize();
  announce(`${photo.name} is deleted`);
  focus(near);
}

// The viewer: one photo over the whole window

function view(photo) {
  const images = photos.filter((other) => other.isImage);
  const at = images.indexOf(photo);
  const image = new Image();
  image.src = photo.url;
  viewed = { photo, previous: images[at - 1], next: images[at + 1] };
  $('viewer-stage').replaceChildren(image);
  name(photo);
  void learnName(photo).catch(() => {});
  $('viewer-details').textContent =
    `${at + 1} of ${images.length} · ${formatSize(photo.size)} · ${formatDate(photo.lastModified)}`;
  $('viewer-download').href = `${photo.url}?download`;
  // Not `disabled`, which would lose the focus.
  $('viewer-previous').ariaDisabled = !viewed.previous;
  $('viewer-next').ariaDisabled = !viewed.next;
  if (!$('viewer').open) $('viewer').showModal();
  for (const near of [viewed.next, viewed.previous]) if (near) new Image().src = near.url;
}

function step(to) {
  if (viewed[to]) view(viewed[to]);
}

$('viewer-previous').onclick = () => step('previous');
$('viewer-next').onclick = () => step('next');
$('viewer-close').onclick = () => $('viewer').close();
$('viewer-stage').onclick = ({ target }) => {
  if (target === $('viewer-stage')) $('viewer').close();
};
$('viewer-delete').onclick = async () => {
  const { photo, next, previous } = viewed;
  if (!(await confirmDelete(photo))) return;
  if (next ?? previous) view(next ?? previous);
  else $('viewer').close();
};
document.onkeydown = ({ key }) => {
  if (!$('viewer').open || $('confirm').open) return;
  if (key === 'ArrowLeft') step('previous');
  if (key === 'ArrowRight') step('next');
};
$('viewer').onclose = () => focus(tiles.get(viewed.photo.key));

// Ways in

$('choose').onclick = () => $('picker').click();
$('picker').onchange = () => {
  upload($('picker').files);
  $('picker').value = '';
};
$('reload').onclick = load;
$('clear').onclick = () => {
  for (const each of uploadsWith('stored')) each.dismiss();
  $('choose').focus();
};

document.onpaste = ({ clipboardData }) => upload(clipboardData.files);
takeDropped(async (dropped) => {
  const files = [...dropped.files];
  // The entries must be taken before the first `await`.
  const entries = [...dropped.items].map((item) => item.webkitGetAsEntry());
  upload(entries.every((entry) => !entry?.isDirectory) ? files : await filesIn(entries));
});

/** Files, and all that is in folders. */
async function filesIn(entries) {
  const files = [];
  for (const entry of entries) {
    if (entry.isFile) files.push(await new Promise((...settle) => entry.file(...settle)));
    else {
      const reader = entry.createReader();
      for (;;) {
        const batch = await new Promise((...settle) => reader.readEntries(...settle));
        if (batch.length === 0) break;
        files.push(...(await filesIn(batch)));
      }
    }
  }
  return files;
}

window.onbeforeunload = (event) => {
  if (uploadsWith('waiting', 'sending').length > 0) event.preventDefault();
};

void load();
