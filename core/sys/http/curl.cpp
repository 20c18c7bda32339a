#include "sys/http/curl.hpp"

#include <dlfcn.h>

namespace holdfast {

template <typename Function>
void Curl::load(Function Curl::*function, const char* name) {
    this->*function = reinterpret_cast<Function>(dlsym(library_, name));
    if (!(this->*function)) problem = std::string("libcurl.so.4 lacks ") + name;
}

Curl::Curl() {
    library_ = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library_) {
        problem = dlerror();
        return;
    }
    load(&Curl::easy_cleanup, "curl_easy_cleanup");
    load(&Curl::easy_getinfo, "curl_easy_getinfo");
    load(&Curl::easy_init, "curl_easy_init");
    load(&Curl::easy_perform, "curl_easy_perform");
    load(&Curl::easy_reset, "curl_easy_reset");
    load(&Curl::easy_setopt, "curl_easy_setopt");
    load(&Curl::easy_strerror, "curl_easy_strerror");
    load(&Curl::free, "curl_free");
    load(&Curl::getdate, "curl_getdate");
    load(&Curl::global_init, "curl_global_init");
    load(&Curl::multi_add_handle, "curl_multi_add_handle");
    load(&Curl::multi_cleanup, "curl_multi_cleanup");
    load(&Curl::multi_info_read, "curl_multi_info_read");
    load(&Curl::multi_init, "curl_multi_init");
    load(&Curl::multi_perform, "curl_multi_perform");
    load(&Curl::multi_poll, "curl_multi_poll");
    load(&Curl::multi_remove_handle, "curl_multi_remove_handle");
    load(&Curl::multi_setopt, "curl_multi_setopt");
    load(&Curl::slist_append, "curl_slist_append");
    load(&Curl::slist_free_all, "curl_slist_free_all");
    load(&Curl::url, "curl_url");
    load(&Curl::url_cleanup, "curl_url_cleanup");
    load(&Curl::url_get, "curl_url_get");
    load(&Curl::url_set, "curl_url_set");
    if (problem.empty() && global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) problem = "libcurl does not start";
}

const Curl& curl() {
    static const Curl loaded;
    return loaded;
}

} // namespace holdfast
