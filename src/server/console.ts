import { JSON } from '../host/globals.js'
import { packageFile } from '../host/package-file.js'
import { readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import type { Hono } from 'hono'
import { VERSION } from '../version.js'
import { SECURITY_HEADERS } from './headers.js'
import { json } from './route.js'

const MEDIA_TYPES = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
} as const

const FILES = [
  'index.html',
  'base.css',
  'frame.css',
  'filters.css',
  'chart.css',
  'tables.css',
  'panel.css',
  'vendor/uplot.css',
  'icon.svg',
  'api.js',
  'app.js',
  'chains.js',
  'chart.js',
  'columns.js',
  'coverage.js',
  'detail.js',
  'dom.js',
  'download.js',
  'evidence.js',
  'filters.js',
  'format.js',
  'legend.js',
  'matrix.js',
  'outcomes.js',
  'paint.js',
  'panel.js',
  'retired.js',
  'rows.js',
  'saved.js',
  'session.js',
  'state.js',
  'summary.js',
  'suspicious.js',
  'vendor/uplot.js',
  'windows.js',
] as const

/** The console runs its own files only, and speaks to its own server only. No text becomes a script or a style. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ')

/** Adds the console at `/`. Its files are for anyone; what it shows needs a token like every other client. */
export async function addConsole(app: Hono, traceUrl: string | undefined): Promise<void> {
  const headers = { ...SECURITY_HEADERS, 'content-security-policy': POLICY, 'cache-control': 'no-cache' }
  for (const file of FILES) {
    const body = await readFile(packageFile(`../console/${file}`, import.meta.url))
    const compressed = gzipSync(body)
    const type = MEDIA_TYPES[file.slice(file.lastIndexOf('.') + 1) as keyof typeof MEDIA_TYPES]
    const ofFile = { ...headers, 'content-type': type, vary: 'accept-encoding' }
    app.get(file === 'index.html' ? '/' : `/console/${file}`, ({ req }) =>
      /\bgzip\b/.test(req.header('accept-encoding') ?? '')
        ? new Response(compressed, { headers: { ...ofFile, 'content-encoding': 'gzip' } })
        : new Response(body, { headers: ofFile }),
    )
  }
  app.get('/console/settings.json', () => {
    const answer = json(`${JSON.stringify({ version: VERSION, traceUrl: traceUrl ?? null })}\n`)
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) answer.headers.set(name, value)
    return answer
  })
}
