// Exports everything into a file, and prints the most memory that the process had, in bytes.
import { exportToFile, Trail } from 'otel-audit/query'

const [, , databaseUrl, file, format] = process.argv
const trail = new Trail({ databaseUrl })
const { rows } = await exportToFile(trail, { file, format, filter: {}, resume: false })
await trail.close()
console.log(JSON.stringify({ rows, maxBytes: process.resourceUsage().maxRSS * 1024 }))
