// What the compiler does not carry over: the SQL of migrations and statements.
import { cpSync, existsSync } from 'node:fs'

for (const folder of ['sink/postgres', 'query']) {
  if (!existsSync(`src/${folder}`)) continue
  cpSync(`src/${folder}`, `dist/${folder}`, {
    recursive: true,
    filter: (path) => !/\.[a-z]+$/.test(path) || path.endsWith('.sql'),
  })
}
