import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Converter, Renderer } from 'typedoc';
import { contents, root } from './contents.js';

/**
 * Names each page on the site by its heading, and puts it into its chapter. In the files this would be front matter, which
 * readers of the repository would see as a table. Links to the front page name its file, so that they lead there on a disk, too.
 *
 * @param {import('typedoc').Application} app
 */
export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, document) => {
    const page = `${document.name}.md`;
    const heading = /^# (.+)$/m.exec(readFileSync(join(root, page), 'utf8'))?.[1];
    if (heading === undefined) throw new Error(`${page} has no heading`);
    document.name = heading.replaceAll('`', '');
    const chapter =
      page === 'docs/README.md'
        ? contents[0]?.chapter
        : contents.find((each) => each.page === page)?.chapter;
    if (chapter !== undefined) document.frontmatter.category = chapter;
  });
  app.renderer.on(Renderer.EVENT_END_PAGE, (page) => {
    page.contents = page.contents?.replaceAll(
      / href="((?:\.{1,2}\/)+)(?=[#"])/g,
      ' href="$1index.html',
    );
  });
}
