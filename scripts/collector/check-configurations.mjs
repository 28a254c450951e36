import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CONFIG, DEPLOYED, objections } from './collector.mjs'

const DOCS = join(import.meta.dirname, '..', '..', 'docs', 'collector.md')

/** A collector such as somebody may have: the examples of the docs are to be added to it. */
const EXISTING = [
  'yaml:receivers::otlp::protocols::http::endpoint: 127.0.0.1:4318',
  'yaml:exporters::debug::verbosity: basic',
  'yaml:service::pipelines::traces: {receivers: [otlp], exporters: [debug]}',
]

export async function checkConfigurations(checks) {
  const { binary } = checks
  await checks.check('otel-collector.yaml is valid with no variable set', () => valid(binary, [CONFIG]))
  for (const { what, configs } of await deployed()) {
    await checks.check(`${what} is valid with no variable set`, () => valid(binary, configs))
  }
  for (const { title, yaml } of await examples()) {
    const base = yaml.startsWith('# overlay.yaml') ? [CONFIG] : EXISTING
    await checks.check(`docs/collector.md, "${title}": the example is valid`, () =>
      valid(binary, [...base, `yaml:${yaml}`]),
    )
  }
}

/** Each file of deploy/collector/ with what it is for: alone, beside otel-collector.yaml, or merged into another one. */
async function deployed() {
  const files = (await readdir(DEPLOYED)).filter((name) => name.endsWith('.yaml')).sort()
  const overlays = files.filter((name) => name.startsWith('gateway-'))
  const whole = files.filter((name) => !overlays.includes(name))
  const path = (name) => join(DEPLOYED, name)
  return [
    ...whole.map((name) => ({ what: `deploy/collector/${name}`, configs: [path(name)] })),
    ...whole.map((name) => ({ what: `otel-collector.yaml with ${name}`, configs: [CONFIG, path(name)] })),
    ...['gateway.yaml', 'kafka-consumer.yaml'].flatMap((base) =>
      overlays.map((name) => ({ what: `${base} with ${name}`, configs: [path(base), path(name)] })),
    ),
  ]
}

async function valid(binary, configs) {
  const said = await objections(binary, configs)
  return said === undefined ? [] : [said]
}

/** The YAML of docs/collector.md that configures a collector, with the heading it stands under. */
export async function examples() {
  const parts = (await readFile(DOCS, 'utf8')).matchAll(
    /^#+ (?<heading>[^\n]+)$|^```(?<language>\w*)\n(?<block>.*?)^```$/gms,
  )
  const found = []
  let title = ''
  for (const { groups } of parts) {
    if (groups.heading !== undefined) title = groups.heading
    const { language, block = '' } = groups
    if (language === 'yaml' && /^(processors|exporters):/m.test(block)) found.push({ title, yaml: block })
  }
  return found
}
