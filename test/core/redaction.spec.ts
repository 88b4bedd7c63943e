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
    ['schemes', "'Bearer hidden' or 'SharedKey account:hidden' or Basic aGlkZGVu"],
    ['a private key', '-----BEGIN PRIVATE KEY-----\nhidden-hidden\n-----END PRIVATE KEY-----'],
    ['user info', 'https://hidden:hidden@example.com/'],
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
    'someone@project.iam.gserviceaccount.com does not have storage.objects.create access',
  ])('keeps what tells nothing: %s', (text) => {
    expect(redacted(text)).toBe(text);
  });

  it('is short, whatever comes, and not longer because of a secret that is cut through', () => {
    expect(redacted('long '.repeat(100_000))).toHaveLength(501);
    expect(redacted(`${'a '.repeat(485)}${TOKEN.repeat(20)}`)).not.toContain('IQoJ');
  });
});

test('a signed URL that was taken for a key is shown without its query, and every other key as it is', () => {
  expect(redactedKey('https://example.com/b/a?x=1&X-Amz-Signature=hidden')).toBe(
    'https://example.com/b/a?…',
  );
  expect(redactedKey('b/a?se=2020&sig=hidden')).toBe('b/a?…');
  for (const key of ['a?b', 'what? this & that', 'a?signed=off'])
    expect(redactedKey(key)).toBe(key);
});
