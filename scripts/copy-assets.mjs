// What the compiler does not carry over: the SQL of migrations and statements, and the files of the console.
import { cpSync } from 'node:fs'

const SQL = /\.sql$/
const CONSOLE = /^src\/console\/.*\.(html|css|js|svg)$/

/** The package, and what benchmarks use of its inside. */
const PLACES = ['dist', 'build/src']

const isAsset = (path) => !/\.[a-z]+$/.test(path) || SQL.test(path) || CONSOLE.test(path)

for (const place of PLACES) {
  cpSync('src', place, { recursive: true, filter: (path) => isAsset(path.replaceAll('\\', '/')) })
}
