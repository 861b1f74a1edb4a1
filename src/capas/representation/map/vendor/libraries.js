export { zoom, zoomIdentity } from 'd3-zoom';
export { select } from 'd3-selection';
import 'd3-transition';
export { default as KDBush } from 'kdbush';
