// Castagnoli's polynomial, bits reversed: RFC 3720 §12.1.
const POLYNOMIAL = 0x82f63b78;

// Slicing by eight: entry `256 * n + byte` is what the byte does to the checksum when n more bytes follow.
const TABLE = buildTable();

/**
 * The CRC-32C of the bytes, or of `previous` and the bytes behind it. Node computes no CRC-32C natively.
 *
 * @param previous what the call for the bytes before gave
 */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  const { length } = bytes;
  const sliced = length - (length % 8);
  let crc = ~previous;
  let at = 0;
  for (; at < sliced; at += 8) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      TABLE[1792 + (crc & 0xff)]! ^
      TABLE[1536 + ((crc >>> 8) & 0xff)]! ^
      TABLE[1280 + ((crc >>> 16) & 0xff)]! ^
      TABLE[1024 + (crc >>> 24)]! ^
      TABLE[768 + bytes[at + 4]!]! ^
      TABLE[512 + bytes[at + 5]!]! ^
      TABLE[256 + bytes[at + 6]!]! ^
      TABLE[bytes[at + 7]!]!;
  }
  for (; at < length; at++) crc = TABLE[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

function buildTable(): Int32Array {
  const table = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    table[byte] = crc;
  }
  for (let at = 256; at < table.length; at++) {
    const shorter = table[at - 256]!;
    table[at] = table[shorter & 0xff]! ^ (shorter >>> 8);
  }
  return table;
}
