import { describeFaults } from './matrix.js';

describeFaults('gcs');
