import { randomBytes } from 'node:crypto';
import { crc32c } from '../../lib/core/crc32c.js';
import { parseChecksum, startChecksum } from '../../lib/core/checksum.js';

describe('crc32c', () => {
  // RFC 3720, appendix B.4.
  it.each([
    ['32 bytes of zeros', Buffer.alloc(32), 0x8a9136aa],
    ['32 bytes of ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
    ['32 incrementing bytes', Buffer.from(Array.from({ length: 32 }, (_, at) => at)), 0x46dd794e],
    [
      '32 decrementing bytes',
      Buffer.from(Array.from({ length: 32 }, (_, at) => 31 - at)),
      0x113fdb5c,
    ],
    ['no bytes', Buffer.alloc(0), 0],
    ['the digits 1 to 9', Buffer.from('123456789'), 0xe3069283],
  ])('of %s is the one of the standard', (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  it('goes on where an earlier call ended, wherever the bytes are cut', () => {
    const bytes = randomBytes(67);
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut)))).toBe(crc32c(bytes));
    }
  });
});

describe('startChecksum', () => {
  it.each([
    ['crc32', 'y/Q5Jg=='],
    ['crc32c', '4waSgw=='],
    ['md5', 'JfnnlDI7RTiF9RgfG2JNCw=='],
    ['sha1', '98O8HYCOBHMq32eZZczDTKeuNEE='],
    ['sha256', 'FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU='],
  ] as const)('gives the %s of the chunks in base64', (algorithm, value) => {
    const checksum = startChecksum(algorithm);
    checksum.update(Buffer.from('1234'));
    checksum.update(Buffer.from('56789'));
    const digest = checksum.digest();
    expect(digest).toEqual({ algorithm, value });
    expect(parseChecksum(digest)).toEqual({ algorithm, value });
  });
});
