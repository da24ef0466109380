        window.picture_page_info_list.forEach(function (picture) {
            var shown = document.createElement('img');
            shown.setAttribute('data-src', picture.cdn_url.html(false));
            document.getElementById('img_list').appendChild(shown);
        });
        var words = document.createElement('p');
        words.id = 'js_image_desc';
        words.textContent = window.desc;
        document.getElementById('js_base_container').appendChild(words);
