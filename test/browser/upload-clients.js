// What the pages of the tests do with the clients, which are those of the packages, unmodified.
import { DirectUpload } from '@rails/activestorage';
import AwsS3 from '@uppy/aws-s3';
import Uppy from '@uppy/core';
import { Upload } from 'tus-js-client';

/** A file of noise that begins as a PNG does, the same for the same size. */
function picture(size) {
  const bytes = new Uint8Array(size);
  let state = 1;
  for (let index = 0; index < size; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return new File([bytes], 'a picture.png', { type: 'image/png', lastModified: 0 });
}

async function sha256(file) {
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function postJson(path, body) {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body ?? {}),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return JSON.parse(text);
}

function online() {
  return navigator.onLine
    ? Promise.resolve()
    : new Promise((resolve) => addEventListener('online', resolve, { once: true }));
}

/** Answers the signed id. */
function uploadWithActiveStorage(size, path) {
  return new Promise((resolve, reject) => {
    new DirectUpload(picture(size), path).create((error, blob) => {
      if (error) reject(new Error(error));
      else resolve(blob.signed_id);
    });
  });
}

/** What Uppy told of the upload, and the SHA-256 of the file. */
async function uploadWithUppy(size, { companion, multipart, pauses }) {
  const file = picture(size);
  const uppy = new Uppy();
  const told = { progress: [], failures: 0, pauses: 0 };
  uppy.use(AwsS3, {
    shouldUseMultipart: multipart,
    ...(companion
      ? { companionEndpoint: `${location.origin}/companion` }
      : {
          generateObjectKey: ({ size: bytes, name }) => `${bytes}/${name}`,
          signRequest: (request) => postJson('/companion/sign', request),
        }),
  });
  uppy.on('upload-progress', (_file, { bytesUploaded }) => told.progress.push(bytesUploaded));
  const id = uppy.addFile({ name: file.name, type: file.type, data: file });
  if (pauses) {
    uppy.on('s3-multipart:part-uploaded', () => {
      if (told.pauses++ > 0) return;
      uppy.pauseResume(id);
      setTimeout(() => uppy.pauseResume(id), 50);
    });
  }
  let result = await uppy.upload();
  while (result.failed.length > 0) {
    if (++told.failures > 20) throw new Error(String(result.failed[0].error));
    await online();
    result = await uppy.retryAll();
  }
  const { body } = result.successful[0].response;
  return { ...told, body, sha256: await sha256(file) };
}

/**
 * Begins an upload by tus, or goes on with that of another page, until the file is there or the client pauses. The offsets are
 * those that the server told.
 */
async function uploadWithTus(size, { pauseAt = Infinity } = {}) {
  const file = picture(size);
  const told = { isPaused: false, failures: 0, offsets: [] };
  Object.assign(window, { sentByTus: 0, cutsOfTus: 0 });
  await new Promise((resolve, reject) => {
    const upload = new Upload(file, {
      endpoint: '/files',
      metadata: { filename: file.name, filetype: file.type },
      retryDelays: [10, 10, 10],
      // The client itself does not try again without a network, either.
      onShouldRetry: () => {
        window.cutsOfTus++;
        return navigator.onLine;
      },
      onAfterResponse: (request, response) => {
        if (request.getMethod() === 'HEAD') told.offsets.push(+response.getHeader('Upload-Offset'));
      },
      onProgress: (sent) => {
        window.sentByTus = sent;
        if (sent < pauseAt || told.isPaused) return;
        told.isPaused = true;
        upload.abort().then(resolve, reject);
      },
      onSuccess: resolve,
      onError: async (error) => {
        if (++told.failures > 20) reject(error);
        await online();
        upload.start();
      },
    });
    upload.findPreviousUploads().then(([previous]) => {
      if (previous) upload.resumeFromPreviousUpload(previous);
      upload.start();
    }, reject);
  });
  return { ...told, sha256: await sha256(file) };
}

Object.assign(window, { postJson, uploadWithActiveStorage, uploadWithTus, uploadWithUppy });
