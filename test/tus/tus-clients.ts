import { Upload, type UploadOptions } from 'tus-js-client';

type Input = ConstructorParameters<typeof Upload>[0];

/** The client of the protocol's authors, which repeats at once and often. */
export function clientOf(
  input: Buffer | NodeJS.ReadableStream,
  options: UploadOptions,
): { upload: Upload; ended: Promise<void> } {
  let upload!: Upload;
  const ended = new Promise<void>((resolve, reject) => {
    upload = new Upload(input as unknown as Input, {
      retryDelays: Array.from({ length: 50 }, () => 10),
      ...options,
      onSuccess: () => resolve(),
      onError: reject,
    });
  });
  return { upload, ended };
}

/** Uploads it all. @returns the URL */
export async function uploadAll(
  input: Buffer | NodeJS.ReadableStream,
  options: UploadOptions,
): Promise<string> {
  const { upload, ended } = clientOf(input, options);
  upload.start();
  await ended;
  return upload.url!;
}
