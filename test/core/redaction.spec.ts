import { redacted, redactedKey } from '../../lib/core/redaction.js';

const TOKEN = 'IQoJb3JpZ2luX2VjEJr/EXAMPLE+token0123456789==';
const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';

describe('text of a service', () => {
  it.each([
    ['a token in prose', `The token ${TOKEN} is not one`],
    ['a secret in prose', `Not (${SECRET}), nor '${SECRET}'.`],
    ['a signed query', 'GET /b?X-Amz-Signature=hidden&X-Amz-Credential=hidden%2F1&sig=hidden'],
    ['the query of an XML text', 'GET /b?a=1&amp;X-Goog-Signature=hidden&amp;upload_id=hidden'],
    ['a header', 'Authorization: AWS4-HMAC-SHA256 Credential=hidden/x, Signature=hidden; hidden'],
    ['an element', '<X-Amz-Security-Token>hidden</X-Amz-Security-Token>'],
    ['fields', '"secretAccessKey": "hidden", password=hidden; AccountKey=hidden'],
    ['a scheme among words', 'Bearer hidden and SharedKey hidden and so on'],
    ['schemes', "'Bearer hidden' or 'SharedKey account:hidden' or Basic aGlkZGVu"],
    ['a private key', '-----BEGIN PRIVATE KEY-----\nhidden-hidden\n-----END PRIVATE KEY-----'],
    ['user info', 'https://hidden:hidden@example.com/'],
    ['user info with a slash', 'https://user:hidden/hidden@example.com/'],
    ['user info of an escaped URL', 'url=https%3A%2F%2Fuser%3Ahidden%252Fhidden%40example.com%2F'],
    ['a secret in an escaped URL', `https://proxy/?of=${encodeURIComponent(`/b/${SECRET}/`)}`],
    ['an escaped query', 'why?url=https%3A%2F%2Fa%2Fb%3Fse%3D1%26sig%3Dhidden%252Fhidden%26sp%3Dr'],
    ['a query that is escaped twice', 'a%253FX-Amz-Signature%253Dhidden%2526sig%253Dhidden'],
    ['an escaped header', 'x-amz-security-token%3Ahidden%0Ahost%3Aa'],
    ['escaped headers', encodeURIComponent('{"authorization":"Bearer hidden hidden","host":"a"}')],
    ['JSON in JSON', String.raw`{"a":"{\"password\":\"hidden \\\"hidden\",\"b\":1}"}`],
    ['JSON in JSON in JSON', JSON.stringify(JSON.stringify({ 'x-api-key': 'hidden "hidden' }))],
    [
      'quotes of XML',
      'password=&quot;hidden &amp; hidden&quot; &amp;quot;pwd&amp;quot;:&amp;quot;hidden',
    ],
    ['a quoted value', `password="hidden, hidden" and secret: 'hidden hidden'`],
    ['a value with a comma', 'password=a,hidden'],
    [
      'elements',
      '<SignatureProvided>hidden</SignatureProvided><Password a="b">hidden hidden</Password>',
    ],
    ['an escaped element', '&lt;SignatureProvided&gt;hidden hidden&lt;/SignatureProvided&gt;'],
    ['keys', 'api_key=hidden, x-api-key: hidden; pwd=hidden&apikey=hidden passwd=hidden'],
    ['cookies', 'Cookie: a=hidden; b="hidden"\r\nSet-Cookie: hidden=hidden; Secure'],
    ['a list of headers', '["authorization","hidden hidden","cookie", "hidden"]'],
    ['a header with quotes', 'Authorization: Digest username="a", response="hidden"'],
    ['a token behind a colon', 'token: hidden\nhost: a'],
  ])('is shown without %s', (_what, text) => {
    const shown = redacted(text);
    expect(shown).toContain('…');
    for (const secret of [TOKEN, SECRET, 'hidden', 'aGlkZGVu']) expect(shown).not.toContain(secret);
    expect(redacted(shown)).toBe(shown);
  });

  it.each([
    'The specified bucket does not exist',
    'No such object: bucket/photos/2024/summer-holidays-in-the-mountains.jpg',
    'Invalid argument: RequestEntityTooLargeBlockCountExceedsLimit',
    'Upload 550e8400-e29b-41d4-a716-446655440000 of e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b is gone',
    'Upload 0A1B2C3D4E5F60718293A4B5C6D7E8F9 is gone, and so is 1A2B3C4D-5E6F-7081-92A3-B4C5D6E7F809',
    'Invalid token: expected a number',
    'Unexpected token > in JSON',
    'The signature: algorithm is not supported',
    'Basic authentication is not enabled',
    'Bearer token is required',
    'no such object: a/very/long/Name-1.jpg',
    'no such object: Uploads/2024/My-Holiday/IMG_2024.jpg',
    'see https://docs.example.com/Storage/v2/Errors/AccessDenied',
    'see https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html',
    'no such object: Fotos%2F2024%2FSommer%20in%20den%20Bergen%2FIMG_1.jpg',
    'http://127.0.0.1:9000/bucket/someone@example.com is not there',
    'someone@project.iam.gserviceaccount.com does not have storage.objects.create access',
  ])('keeps what tells nothing: %s', (text) => {
    expect(redacted(text)).toBe(text);
  });

  it('has a secret where nine words begin within thirty-two characters', () => {
    const nine = 'ab1Cd2ef3gh4ijklmnopqrstuvwxyzabcd';
    expect(redacted(nine)).toBe('…');
    const eight = 'ab1Cd2ef3ghijklmnopqrstuvwxyzabcde';
    expect(redacted(eight)).toBe(eight);
  });

  it('is shown as a whole up to five hundred characters', () => {
    const longest = 'long '.repeat(100);
    expect(redacted(longest)).toBe(longest);
    expect(redacted(`${longest}!`)).toBe(`${longest}…`);
  });

  it('is short, whatever comes, and not longer because of a secret that is cut through', () => {
    expect(redacted('long '.repeat(100_000))).toHaveLength(501);
    expect(redacted(`${'a '.repeat(485)}${TOKEN.repeat(20)}`)).not.toContain('IQoJ');
  });

  it('shows no secret that is cut through, although what precedes it becomes short', () => {
    for (const secret of [SECRET, 'https://hidden:wJalr@example.com/']) {
      for (const at of [962, 975, 985, 995]) {
        const shown = redacted(`sig=${'x'.repeat(at - 5)} ${secret}${' more'.repeat(50)}`);
        expect(shown).toMatch(/^sig=….*…$/);
        expect(shown).not.toContain('wJalr');
      }
    }
  });

  it('comes to an end with what is long and hostile', () => {
    for (const text of [
      'token ',
      'secret',
      '-----BEGIN x-----',
      '://a:',
      String.raw`\"`,
      '%25',
      'aA1-',
    ]) {
      expect(redacted(text.repeat(200_000)).length).toBeLessThan(502);
    }
  });
});

test('a signed URL that was taken for a key is shown without its query, and every other key as it is', () => {
  expect(redactedKey('https://example.com/b/a?x=1&X-Amz-Signature=hidden')).toBe(
    'https://example.com/b/a?…',
  );
  expect(redactedKey('b/a?se=2020&sig=hidden')).toBe('b/a?…');
  for (const key of ['a?b', 'what? this & that', 'a?signed=off', 'https://example.com/?page=1'])
    expect(redactedKey(key)).toBe(key);
});
