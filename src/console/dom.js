const SVG = 'http://www.w3.org/2000/svg'

/**
 * Makes an element. Text is text: nothing of a row is ever parsed as HTML.
 *
 * @param {string} name
 * @param {Record<string, string | number | boolean | undefined | ((event: Event) => void)>} attributes
 * @param {readonly (Node | string | undefined)[]} children
 * @returns {HTMLElement}
 */
export function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children)
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children)
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    if (typeof value === 'function') element.addEventListener(name, value)
    else element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(...present(children))
  return element
}

/** What is there of what may be there. */
export function present(children) {
  return children.filter((child) => child !== undefined && child !== null)
}

export const byId = (id) => document.getElementById(id)

/** A value that is not known. */
export const unknown = () => el('span', { class: 'quiet' }, 'unknown')

/** A table in a box of its own that scrolls, and that the keyboard can scroll. */
export function scrolled(label, ...children) {
  return el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': label }, ...children)
}

/**
 * A table that is a list of cards on narrow screens.
 *
 * @template Row
 * @param {string} caption
 * @param {readonly {title: string, isNumber?: boolean, sort?: {href: string, isOn: boolean, isAscending?: boolean},
 *   cell: (row: Row) => Node | string, className?: (row: Row) => string}[]} columns
 * @param {readonly Row[]} rows
 * @param {(row: Row) => Record<string, string>} attributesOf of a row's element
 */
export function table(caption, columns, rows, attributesOf = () => ({})) {
  return el(
    'table',
    { 'aria-label': caption },
    el('thead', {}, el('tr', {}, ...columns.map(head))),
    el(
      'tbody',
      {},
      ...rows.map((row) =>
        el(
          'tr',
          attributesOf(row),
          ...columns.map(({ title, cell, className, isNumber }) =>
            el(
              'td',
              {
                'data-title': title,
                class: [isNumber && 'number', className?.(row)].filter(Boolean).join(' ') || undefined,
              },
              cell(row),
            ),
          ),
        ),
      ),
    ),
  )
}

function head({ title, isNumber, sort }) {
  if (sort === undefined) return el('th', { scope: 'col', class: isNumber && 'number' }, title)
  const direction = sort.isAscending ? 'ascending' : 'descending'
  return el(
    'th',
    { scope: 'col', class: isNumber && 'number', 'aria-sort': sort.isOn ? direction : undefined },
    el('a', { href: sort.href, class: 'sort' }, title),
  )
}

/** A button that copies a text, and says that it has. */
export function copyButton(label, text, attributes = {}) {
  const button = el('button', { type: 'button', ...attributes }, label)
  const say = (what) => {
    button.textContent = what
    setTimeout(() => (button.textContent = label), 1500)
  }
  button.addEventListener('click', () => {
    // Browsers have it only where the page came securely.
    if (navigator.clipboard === undefined) return say('Not copied')
    navigator.clipboard.writeText(text()).then(
      () => say('Copied'),
      () => say('Not copied'),
    )
  })
  return button
}
