// Writes the package.json of the image: this package, from its archive, with the optional packages that its servers use, all
// in the versions of the lock file that is here.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

/** For `/metrics` of `serve` and `gateway`. */
const BESIDE = ['@opentelemetry/api', '@opentelemetry/exporter-prometheus', '@opentelemetry/sdk-metrics']

const { name } = JSON.parse(readFileSync('package.json', 'utf8'))
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'))
const archive = readdirSync('.').find((file) => file.endsWith('.tgz'))

/** What is not nested, and so is what a package of the archive gets. */
const locked = Object.entries(packages).flatMap(([path, { version, link }]) => {
  const [, found] = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path) ?? []
  return found === undefined || link ? [] : [[found, version]]
})
const versionOf = (wanted) => locked.find(([found]) => found === wanted)[1]

rmSync('package-lock.json')
const dependencies = Object.fromEntries([
  [name, `file:${archive}`],
  ...BESIDE.map((beside) => [beside, versionOf(beside)]),
])
const overrides = Object.fromEntries(locked.filter(([found]) => !BESIDE.includes(found)))
writeFileSync(
  'package.json',
  `${JSON.stringify({ private: true, type: 'module', dependencies, overrides }, undefined, 2)}\n`,
)
