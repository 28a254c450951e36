import { read, stream } from './api.js'
import { el } from './dom.js'
import { counted } from './format.js'
import { filtersOf } from './state.js'

const TYPES = { ndjson: 'application/x-ndjson', csv: 'text/csv' }

/** Saves all rows that the filters ask for, and the manifest that says what they are. */
export function downloadMenu(state) {
  const said = el('p', { class: 'quiet', role: 'status' })
  const start = (format) => () => {
    save(filtersOf(state), format, (text) => (said.textContent = text)).catch((error) => {
      said.textContent = `Nothing was saved: ${error.message}`
    })
  }
  return el(
    'details',
    { class: 'menu', id: 'download' },
    el('summary', { class: 'button' }, 'Download'),
    el(
      'div',
      { class: 'sheet' },
      el('p', {}, 'All rows of these filters, with a manifest. The export is a row of the trail.'),
      el(
        'p',
        { class: 'actions' },
        ...Object.keys(TYPES).map((format) =>
          el('button', { type: 'button', click: start(format) }, format.toUpperCase()),
        ),
      ),
      said,
    ),
  )
}

async function save(filters, format, say) {
  const { body, mark } = await stream(filters, TYPES[format])
  const chunks = []
  let bytes = 0
  const reader = body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    chunks.push(value)
    bytes += value.length
    say(`${(bytes / 1e6).toFixed(1)} MB …`)
  }
  const file = new Blob(chunks, { type: TYPES[format] })
  say('The manifest …')
  const manifest = await read('/manifest', { ...filters, settled: mark, format })
  const hash = await sha256(file)
  if (hash !== undefined && hash !== manifest.sha256) {
    throw new Error('what came is not what the manifest names. Try again, or use otel-audit export.')
  }
  offer(file, manifest.file)
  offer(
    new Blob([`${JSON.stringify(manifest, undefined, 2)}\n`], { type: 'application/json' }),
    `${manifest.file}.manifest.json`,
  )
  const checked =
    hash === undefined
      ? 'not compared with the file, since this page is not served securely'
      : 'as it is in the manifest'
  say(`Saved ${counted(manifest.rows, 'row')} as ${manifest.file}. Its SHA-256 is ${checked}.`)
}

/** Browsers compute it only where the page came securely. */
async function sha256(file) {
  if (globalThis.crypto?.subtle === undefined) return undefined
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer())
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

function offer(blob, name) {
  const href = URL.createObjectURL(blob)
  el('a', { href, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(href), 60_000)
}
