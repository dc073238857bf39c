// Small charts, drawn as SVG without a library. What they show is also said in words.
const SVG = 'http://www.w3.org/2000/svg';

function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A line of values, the newest at the right; `null` where nothing was known. */
export function line(values, places, label) {
  const [width, height] = [100, 32];
  const highest = Math.max(...values.filter((it) => it !== null), 1);
  const x = (at) => ((places - values.length + at) / Math.max(places - 1, 1)) * width;
  const y = (value) => height - 2 - (value / highest) * (height - 6);
  const known = values.map((value, at) => [value, at]).filter(([value]) => value !== null);
  const points = known.map(([value, at]) => `${x(at).toFixed(2)},${y(value).toFixed(2)}`);
  const chart = svg('svg', { class: 'chart', viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label });
  if (points.length > 1) {
    const [first, last] = [x(known[0][1]).toFixed(2), x(known.at(-1)[1]).toFixed(2)];
    chart.append(svg('polygon', { class: 'area', points: `${first},${height} ${points.join(' ')} ${last},${height}` }));
    chart.append(svg('polyline', { class: 'line', points: points.join(' ') }));
  }
  chart.append(svg('line', { class: 'base', x1: 0, x2: width, y1: height, y2: height }));
  return chart;
}

/** A row of cells, one for each look; kinds are `yes`, `wait`, `no` or empty. */
export function strip(kinds, places, label) {
  const chart = svg('svg', { class: 'strip', viewBox: `0 0 ${places} 1`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label });
  for (let place = 0; place < places; place += 1) {
    const kind = kinds[place - (places - kinds.length)];
    chart.append(svg('rect', { x: place, y: 0, width: 0.72, height: 1, class: kind ? `is-${kind}` : '' }));
  }
  return chart;
}
