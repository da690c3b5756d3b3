// QR codes as a matrix.
export {encode} from 'uqr';
