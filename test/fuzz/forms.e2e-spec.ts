import fc from 'fast-check';
import { StorageAnyFilesInterceptor } from '../../lib/index.js';
import { closeApps, RejectionWatch } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { BOUNDARY, form, formHeaders, png } from '../uploads/forms.js';
import { onEachAdapter, recordedUploadApp } from '../uploads/upload-fixture.js';
import { runs } from './runs.js';

const FORM = form(
  { name: 'title', content: 'Grüße' },
  { name: 'photo', filename: 'a.png', type: 'image/png', content: png(300) },
  { name: 'tags[]', content: 'x' },
  { name: 'other', filename: 'b.txt', type: 'text/plain', content: 'hello' },
);
/** What a form is made of, where it does not belong. */
const PIECES = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  '--',
  `--${BOUNDARY}`,
  `\r\n--${BOUNDARY}\r\n`,
  `--${BOUNDARY}--\r\n`,
  'Content-Disposition: form-data; name="a"\r\n',
  'Content-Disposition:',
  "filename*=UTF-8''%",
  '; filename="',
  'Content-Type: \xff\r\n',
  'Content-Transfer-Encoding: base64\r\n',
  '"',
  '\\',
  ':',
  '__proto__',
  '[constructor]',
].map((text) => Buffer.from(text, 'latin1'));

const edit = fc.record({
  at: fc.nat(FORM.byteLength),
  removed: fc.oneof(fc.nat(4), fc.nat(200)),
  inserted: fc.oneof(
    fc.constantFrom(...PIECES),
    fc.uint8Array({ maxLength: 8 }),
    fc
      .tuple(fc.nat(FORM.byteLength), fc.nat(200))
      .map(([at, size]) => FORM.subarray(at, at + size)),
  ),
});

function edited(edits: { at: number; removed: number; inserted: Uint8Array }[]): Buffer {
  return edits.reduce(
    (body, { at, removed, inserted }) =>
      Buffer.concat([body.subarray(0, at), inserted, body.subarray(at + removed)]),
    FORM,
  );
}

onEachAdapter(() => {
  const rejections = new RejectionWatch();
  beforeEach(() => rejections.start());
  afterEach(async () => {
    await closeApps();
    rejections.stop();
  });

  it('answers any form that was edited anywhere as a success or as the client’s fault, and keeps no more than it says', async () => {
    const app = await recordedUploadApp(StorageAnyFilesInterceptor({ maxSize: '1mb' }));
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
        const answer = await send(app.port, '/', {
          method: 'POST',
          headers: formHeaders,
          body: edited(edits),
        });
        expect([2, 4]).toContain(Math.floor(answer.status / 100));
        const kept = await app.keys();
        const told = answer.status === 201 ? (answer.json.files as { key: string }[]) : [];
        expect(kept.toSorted()).toEqual(told.map(({ key }) => key).toSorted());
        await app.storage.deleteMany(kept);
      }),
      runs(0.5),
    );
  });
});
