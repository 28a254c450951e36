const PREFIX = 'noetl_secret_audit_'

/**
 * The series of the audit trail in a text exposition, with values, in one spelling. Left out is what the two
 * exporters add by themselves: where a series comes from (`job`, `instance`, the instrumentation scope).
 */
export function seriesOf(exposition) {
  return samplesOf(exposition)
    .filter(({ name }) => name.startsWith(PREFIX))
    .map(({ name, labels, value }) => {
      const own = labels.filter(([label]) => !/^(job|instance|otel_scope_.*)$/.test(label))
      const spelt = own.map(
        ([label, text]) => `${label}="${label === 'le' ? Number(text.replace('+Inf', 'Infinity')) : text}"`,
      )
      return `${name}{${spelt.sort().join(',')}} ${Number(value)}`
    })
    .sort()
}

export async function scrape(url) {
  const response = await fetch(url)
  return response.text()
}

/** The metric names of a text exposition. */
export function namesOf(exposition) {
  return new Set(samplesOf(exposition).map(({ name }) => name))
}

function samplesOf(exposition) {
  return exposition.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/.exec(line) ?? []
    if (name === undefined) return []
    return [
      { name, value, labels: [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, k, v]) => [k, v]) },
    ]
  })
}
