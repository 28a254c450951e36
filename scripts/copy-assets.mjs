// What the compiler does not carry over: the SQL of migrations and statements, and the files of the console.
import { cpSync, existsSync } from 'node:fs'

const ASSETS = {
  'sink/postgres': /\.sql$/,
  query: /\.sql$/,
  console: /\.(html|css|js|svg)$/,
}

/** The package, and what benchmarks use of its inside. */
const PLACES = ['dist', 'build/src']

for (const [folder, files] of Object.entries(ASSETS)) {
  if (!existsSync(`src/${folder}`)) continue
  for (const place of PLACES) {
    cpSync(`src/${folder}`, `${place}/${folder}`, {
      recursive: true,
      filter: (path) => !/\.[a-z]+$/.test(path) || files.test(path),
    })
  }
}
