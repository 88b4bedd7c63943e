import { hideSecrets } from '../../lib/core/known-secrets.js';
import { redacted } from '../../lib/core/redaction.js';

const SECRET = `sesame/open + "now" & ä\\`;

describe('a secret that a storage was configured with', () => {
  it.each([
    ['as it is', SECRET],
    ['in a URL', encodeURIComponent(SECRET)],
    ['in a URL within one', encodeURIComponent(encodeURIComponent(SECRET))],
    ['in a form', new URLSearchParams({ a: SECRET }).toString().slice(2)],
    ['in JSON', JSON.stringify(SECRET).slice(1, -1)],
    ['in JSON within JSON', JSON.stringify(JSON.stringify(SECRET)).slice(3, -3)],
    ['in JSON for HTML', SECRET.replace('&', String.raw`\u0026`).replace('ä', String.raw`\u00E4`)],
    ['in XML', SECRET.replace('&', '&amp;').replaceAll('"', '&quot;').replace('ä', '&#xE4;')],
  ])('is hidden %s, until the storage is closed', (_where, form) => {
    const text = `not ${form}, they say`;
    expect(redacted(text)).toContain('sesame');
    const show = hideSecrets([SECRET]);
    expect(redacted(text)).toMatch(/^not …\\?, they say$/);
    show();
    expect(redacted(text)).toContain('sesame');
  });

  it('is hidden when it is all that is said, or begins with another one, as long as one storage has it', () => {
    const closes = [
      hideSecrets(['opensesame']),
      hideSecrets(['opensesame', 'opensesame-now', undefined]),
    ];
    expect(redacted('opensesame')).toBe('…');
    expect(redacted('opensesame-now')).toBe('…');
    closes[0]!();
    closes[0]!();
    expect(redacted('opensesame')).toBe('…');
    closes[1]!();
    expect(redacted('opensesame')).toBe('opensesame');
  });

  it('is hidden where a long text is cut through it', () => {
    const close = hideSecrets(['open sesame now']);
    const shown = [990, 994, 998].map((at) =>
      redacted(`sig=${'x'.repeat(at - 4)} open sesame now`),
    );
    close();
    expect(shown.join()).not.toMatch(/open|sesame/);
  });

  it('stays in sight when it is as short as a word', () => {
    const close = hideSecrets(['test', '', 'seven-7', 'eight-88']);
    expect(redacted('the test failed')).toBe('the test failed');
    expect(redacted('seven-7 and eight-88')).toBe('seven-7 and …');
    close();
  });

  it('is looked for in what is long and hostile, and an end is come to', () => {
    const close = hideSecrets(['"secrets"', '&&&&&&&&', '%25%25%25']);
    for (const text of ['\\', '%25', '&amp;', '"\\', '%']) {
      expect(redacted(text.repeat(200_000)).length).toBeLessThan(502);
    }
    close();
  });
});
