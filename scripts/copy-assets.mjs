// What the compiler does not carry over: the SQL of migrations and statements, and the files of the console.
import { cpSync, existsSync } from 'node:fs'

const ASSETS = {
  'sink/postgres': /\.sql$/,
  query: /\.sql$/,
  console: /\.(html|css|js|svg)$/,
}

for (const [folder, files] of Object.entries(ASSETS)) {
  if (!existsSync(`src/${folder}`)) continue
  cpSync(`src/${folder}`, `dist/${folder}`, {
    recursive: true,
    filter: (path) => !/\.[a-z]+$/.test(path) || files.test(path),
  })
}
