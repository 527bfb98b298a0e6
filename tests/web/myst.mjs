// Standard input: a JSON list of texts in MyST; standard output: for each what the parser says and the tree it makes.
import { text as read } from 'node:stream/consumers';
import { mystParse } from 'myst-parser';
import { VFile } from 'vfile';

const found = [];
for (const text of JSON.parse(await read(process.stdin))) {
  const vfile = new VFile();
  const tree = mystParse(text, { vfile });
  found.push([vfile.messages.map(String), tree]);
}
console.log(JSON.stringify(found, (key, value) => (key === 'position' ? undefined : value)));
