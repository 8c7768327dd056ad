from .page import build_page, serve_page
from .service import HOIService, Limits

__all__ = ['HOIService', 'Limits', 'build_page', 'serve_page']
