/** A small body. */
export const SMALL = Buffer.alloc(4096, 1);

export const MEBIBYTE = Buffer.alloc(1024 ** 2, 3);

/** Mebibytes of a large body. */
export const LARGE = 256;

/** A large body. */
export async function* chunks() {
  for (let index = 0; index < LARGE; index++) yield Buffer.from(MEBIBYTE);
}
